"""What a node holds for hostile connections: its peak memory under crowds of each kind alone, and under all of them.

    cargo build --release -p node && python3 tests/benches/crowds.py [--program PATH] [--each N] [--kind KIND]… [--rounds N]

A crowd is 2 addresses of the loopback with N connections each (64 unless said otherwise), that send one request and read no
answer. `all` is every kind at once, 1,024 connections, and `two` is two addresses that try 600 each. For each kind a node is
started anew, and the honest client beside it must get its file. Figures are MiB: resident at rest, peak, and the KiB that one
connection added to memory that no file is behind.

Needs Python 3 only.
"""
import argparse
import base64
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
CROWD = ROOT / "tests/clients/crowd.py"
HOLD = 2.5  # seconds


def binary(size, seed):
    unit = bytes((at * 31 + seed * 7 + at // 251) % 253 for at in range(65_536))
    return (unit * (size // len(unit) + 1))[:size]


def share(home):
    directory = home / "share"
    directory.mkdir()
    (directory / "long.bin").write_bytes(binary(40 << 20, 0))
    (directory / "long.txt").write_text("a line of text\n" * 600_000)
    (directory / "small.txt").write_text("for all")
    for n in range(16):
        (directory / f"part{n}.bin").write_bytes(binary(250_000, n))
    return directory


class Node:
    def __init__(self, program, home):
        command = [program, "--share", home / "share", "--state", home / "state", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        ready = self.process.stdout.readline()
        self.host = re.search(r"url=http://([^/]+)/", ready).group(1)

    def memory(self, key):
        """MiB of the process."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{key}:\s*(\d+)", text).group(1)) / 1024

    def digest(self, name):
        for _ in range(600):
            request = urllib.request.Request(f"http://{self.host}/files/{name}", method="HEAD")
            tag = urllib.request.urlopen(request, timeout=10).headers.get("ETag")
            if tag:
                return tag.strip('"')
            time.sleep(0.1)
        sys.exit("the digest is not known in time")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def requests(host, blob):
    def get(path):
        return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()

    def post(body):
        return f"POST /RPC2 HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()

    def call(method, param):
        return f'<?xml version="1.0"?><methodCall><methodName>{method}</methodName><params><param><value>{param}</value></param></params></methodCall>'

    def entry(name):
        params = f"<array><data><value><string>{name}</string></value></data></array>"
        return f"<value><struct><member><name>methodName</name><value><string>query</string></value></member><member><name>params</name><value>{params}</value></member></struct></value>"

    entries = "".join(entry(f"part{n}.bin") for n in range(16))
    return {
        "file": get("/files/long.bin"),
        "text": post(call("query", "<string>long.txt</string>")),
        "base64": post(call("query", "<string>long.bin</string>")),
        "multicall": post(call("system.multicall", f"<array><data>{entries}</data></array>")),
        "tree": get(f"/blobs/{blob}/tree"),
        "blob": get(f"/blobs/{blob}"),
        "head": f"GET / HTTP/1.1\r\nHost: {host}\r\nX: {'x' * 15_000}".encode(),
        "body": f"POST /RPC2 HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000\r\n\r\n{' ' * 500_000}".encode(),
        "silent": b"",
        "hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    }


def crowd(host, first, sources, each, request):
    address, port = host.split(":")
    command = [sys.executable, CROWD, address, port, str(first), str(sources), str(each), "4096"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    child.stdin.write(base64.b64encode(request).decode() + "\n")
    child.stdin.flush()
    return child


def measure(program, kind, each):
    """At rest, peak, KiB a connection, all in memory that no file is behind but the first two."""
    with tempfile.TemporaryDirectory() as home:
        home = pathlib.Path(home)
        share(home)
        node = Node(program, home)
        blob = node.digest("long.bin")
        time.sleep(1.5)
        rest, own = node.memory("VmRSS"), node.memory("RssAnon")
        kinds = requests(node.host, blob)
        if kind == "all":
            hostile = [name for name in kinds if name not in ("silent", "hello")]
            crowds = [crowd(node.host, 2 + 2 * n, 2, each, kinds[name]) for n, name in enumerate(hostile)]
        elif kind == "two":
            crowds = [crowd(node.host, 2, 2, 600, kinds["file"])]
        else:
            crowds = [crowd(node.host, 2, 2, each, kinds[kind])]
        count = sum(int(child.stdout.readline()) for child in crowds)
        begun, most = time.monotonic(), 0
        with urllib.request.urlopen(f"http://{node.host}/files/small.txt", timeout=10) as answer:
            if answer.read() != b"for all":
                sys.exit("the honest client is answered wrongly")
        waited = (time.monotonic() - begun) * 1000
        while time.monotonic() < begun + HOLD:
            most = max(most, node.memory("RssAnon"))
            time.sleep(0.05)
        peak = node.memory("VmHWM")
        for child in crowds:
            child.stdin.close()
            child.wait()
        node.stop()
        return rest, peak, (most - own) * 1024 / max(count, 1), count, waited


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", type=pathlib.Path, default=TARGET / "release" / "noded")
    parser.add_argument("--each", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", action="append")
    options = parser.parse_args()
    kinds = options.kind or [*requests("", ""), "two", "all"]
    print("kind        connections   at rest     peak   KiB a connection   honest answer (ms)")
    for kind in kinds:
        rounds = [measure(options.program, kind, options.each) for _ in range(options.rounds)]
        rest, peak, each, count, waited = (statistics.median(values) for values in zip(*rounds))
        print(f"{kind:10} {count:12.0f} {rest:9.1f} {peak:8.1f} {each:18.1f} {waited:20.1f}", flush=True)


if __name__ == "__main__":
    main()
