"""Reads what we wrote with Python's own XML-RPC library, as a peer would.

Run it in this directory: python3 check.py
"""

import xmlrpc.client as rpc
from xmlrpc.server import SimpleXMLRPCDispatcher

from generate import BINARY, EVERY_TYPE, FOREIGN, RETURN, SPECIAL, TEXT


def ours(name):
    with open(f"ours/{name}.xml", "rb") as file:
        return file.read()


def result(name):
    (value,), method = rpc.loads(ours(name))
    assert method is None
    return value


def fault(name):
    try:
        rpc.loads(ours(name))
    except rpc.Fault as fault:
        return fault.faultCode, fault.faultString
    raise AssertionError(f"{name} is no fault")


# A carriage return reaches the peer because it is written as a reference.
assert result("answer_text") == TEXT
assert result("answer_special") == SPECIAL
assert result("answer_return") == RETURN
assert result("answer_foreign") == FOREIGN
assert result("answer_empty") == ""
assert result("answer_binary").data == BINARY
assert result("answer_codes_return") == [1, RETURN]
assert result("answer_codes_binary")[1].data == BINARY
assert result("answer_codes_fail") == [2, ""]
assert result("answer_hello") == 0
assert fault("answer_fault_100") == (100, "Couldn't handle the query")
assert result("answer_multicall") == [[0], {"faultCode": 200, "faultString": "Access denied"}]

calls = []
server = SimpleXMLRPCDispatcher(allow_none=True)
for method in ("hello", "query", "fetch"):
    server.register_function(lambda *params, m=method: calls.append((m, params)) or 0, method)
for name in ("call_hello", "call_query", "call_fetch", "call_every_type"):
    assert rpc.loads(server._marshaled_dispatch(ours(name))) == ((0,), None), name

expected = dict(EVERY_TYPE, date=rpc.DateTime("19980717T14:08:55"), base64=rpc.Binary(BINARY))
assert calls == [
    ("hello", ("http://127.0.0.1:4242/",)),
    ("query", ("a\rb <é>.txt", ["http://a:1/", "http://b:2/"])),
    ("fetch", ("test.txt", "secret1")),
    ("query", (expected,)),
], calls
