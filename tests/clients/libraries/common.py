"""What the drivers in Python share: the cases, and the calls that every client makes."""
import os
import sys


class FaultAnswer(Exception):
    def __init__(self, code):
        super().__init__("fault %s" % code)
        self.code = code


def cases():
    with open(os.environ["CASES"], encoding="ascii") as file:
        for line in file:
            name, content, kind = line.rstrip("\n").split("\t")
            yield bytes.fromhex(name).decode(), bytes.fromhex(content), kind == "text"


def files():
    return {name: (data.decode() if is_text else None, data) for name, data, is_text in cases()}


def tell(what, name, good, detail=""):
    detail = str(detail).encode("unicode_escape").decode()[:200]
    print("%s\t%s\t%s\t%s" % (what, name, "ok" if good else "bad", detail), flush=True)


def client(ask):
    """Makes every call and reads every content with `ask(method, *params)`, which raises FaultAnswer."""

    def expect(name, check, *call):
        try:
            answer = ask(*call)
        except FaultAnswer as fault:
            answer = fault.code
        except Exception as error:
            return tell("call", name, False, repr(error))
        return tell("call", name, check(answer), repr(answer))

    expect("hello", lambda a: a == 0, "hello", os.environ["PEER"])
    expect("query", lambda a: a == 100, "query", "no such file.txt", [])
    expect("fetch", lambda a: a == 200, "fetch", "x.txt", "wrong")
    find = {"query": "name:*", "limit": 5}
    expect("sixhop.find", lambda a: "hits" in a, "sixhop.find", find)
    expect("sixhop.more", lambda a: a == -32602 or isinstance(a, dict), "sixhop.more", {"id": "0" * 32})
    expect("sixhop.summary", lambda a: isinstance(a, dict), "sixhop.summary", {})
    expect("sixhop.introduce", lambda a: a == -32602, "sixhop.introduce", {"url": "x"})
    expect("system.listMethods", lambda a: "query" in a, "system.listMethods")
    expect("system.methodHelp", lambda a: len(a) > 0, "system.methodHelp", "query")
    expect("system.methodSignature", lambda a: len(a) > 0, "system.methodSignature", "query")
    expect("system.getCapabilities", lambda a: isinstance(a, dict), "system.getCapabilities")
    multi = [{"methodName": "system.methodHelp", "params": ["hello"]}, {"methodName": "no.such", "params": []}]
    expect("system.multicall", lambda a: len(a) == 2 and a[1]["faultCode"] == -32601, "system.multicall", multi)
    expect("unknown", lambda a: a == -32601, "no.such.method")
    for at, (name, content, _) in enumerate(cases()):
        try:
            answer = ask("query", name)
            if isinstance(answer, str):
                answer = answer.encode()
            tell("content", str(at), bytes(answer) == content, "%r: %r instead of %r" % (name, answer[:40], content[:40]))
        except Exception as error:
            tell("content", str(at), False, "%r: %r" % (name, error))
