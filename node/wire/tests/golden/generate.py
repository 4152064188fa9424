"""Writes what Python's own XML-RPC library says, for the tests to read.

Run it in this directory: python3 generate.py
"""

import datetime
import xmlrpc.client as rpc

TEXT = "This is a test\n"
SPECIAL = "<a> & \"b\" ]]> 'c'\n"
RETURN = "one\r\ntwo\rthree\n"
FOREIGN = "é 日本語 🦀\n"
BINARY = bytes(range(256))


def answer(value):
    return rpc.dumps((value,), methodresponse=True, allow_none=True)


def call(method, *params):
    return rpc.dumps(params, methodname=method, allow_none=True)


EVERY_TYPE = {
    "int": -7,
    "boolean": True,
    "double": 1.5,
    "string": SPECIAL,
    "base64": rpc.Binary(BINARY),
    "array": [1, [], "two"],
    "nil": None,
    "date": datetime.datetime(1998, 7, 17, 14, 8, 55),
}

FILES = {
    "answer_text": answer(TEXT),
    "answer_special": answer(SPECIAL),
    "answer_return": answer(RETURN),
    "answer_foreign": answer(FOREIGN),
    "answer_empty": answer(""),
    "answer_binary": answer(rpc.Binary(BINARY)),
    "answer_binary_empty": answer(rpc.Binary(b"")),
    "answer_fault_100": rpc.dumps(rpc.Fault(100, "Couldn't handle the query")),
    "answer_fault_200": rpc.dumps(rpc.Fault(200, "Access denied")),
    "answer_codes_text": answer((1, TEXT)),
    "answer_codes_empty": answer((1, "")),
    "answer_codes_return": answer((1, RETURN)),
    "answer_codes_binary": answer((1, rpc.Binary(BINARY))),
    "answer_codes_fail": answer((2, "")),
    "answer_hello_0": answer(0),
    "answer_hello_1": answer(1),
    "call_hello": call("hello", "http://127.0.0.1:4242"),
    "call_query": call("query", "test.txt"),
    "call_query_history": call("query", "é.txt", ["http://a:1", "http://b:2"]),
    "call_fetch": call("fetch", "test.txt", "secret1"),
    "call_multicall": call(
        "system.multicall",
        [
            {"methodName": "query", "params": ["test.txt"]},
            {"methodName": "system.listMethods", "params": []},
        ],
    ),
    "call_every_type": call("query", EVERY_TYPE),
}

if __name__ == "__main__":
    for name, text in FILES.items():
        with open(f"python/{name}.xml", "wb") as file:
            file.write(text.encode())
