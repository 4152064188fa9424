"""Hostile requests from 64 addresses, with quotas on, and an honest client beside them.

    cargo build --release -p node && python3 tests/benches/flood.py [--requests N] [--program PATH] [--p99 MS] [--seed N]

The loopback of this machine is exempt from quotas. So the whole bench runs in a network of its own (`unshare --net`), whose
only interface has 10.0.0.0/8: there 10.77.0.1 is the node, 10.77.1.1 and on are the strangers, 10.77.2.1 is honest.

What strangers send is malformed HTTP, XML and JSON, and calls that no node should obey: made by rules, then changed at a
few places. The same seed sends the same. Ends with 1 and says why if the node dies, panics, answers a stranger with what it
must not, answers the honest client wrongly or late, keeps descriptors or threads, or takes more than --memory MiB.

Needs Python 3 and `unshare` of util-linux, for which the system must let users have name spaces; ends with 77 if it does not.
"""
import argparse
import fcntl
import json
import multiprocessing
import os
import pathlib
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
NODE, HONEST, PORT = "10.77.0.1", "10.77.2.1", 4242
SOURCES = 64
SKIPPED = 77
PAUSE = 0.02  # seconds between two honest requests
MORE_DESCRIPTORS, MORE_THREADS = 14, 4  # parts of the index and of the runtime that may have come meanwhile
SECRET_TEXT = b"nobody outside may read this"
LONG = bytes(n * 31 % 251 for n in range(700_000))


def into_own_network():
    """Runs this program again in a network of its own, unless that is done."""
    if os.environ.get("FLOOD_INSIDE"):
        return
    probe = subprocess.run(["unshare", "--user", "--map-root-user", "--net", "true"], stderr=subprocess.DEVNULL, check=False)
    if probe.returncode:
        print("this system lets nobody have a network of their own")
        sys.exit(SKIPPED)
    inside = {**os.environ, "FLOOD_INSIDE": "1"}
    os.execvpe("unshare", ["unshare", "--user", "--map-root-user", "--net", "--kill-child", sys.executable, *sys.argv], inside)


def give_addresses():
    """Gives the interface `lo` all of 10.0.0.0/8: its addresses are this machine's, and no loopback ones."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for name, address, mask in ((b"lo", "127.0.0.1", "255.0.0.0"), (b"lo:1", NODE, "255.0.0.0")):
            for call, value in ((0x8916, address), (0x891C, mask)):  # SIOCSIFADDR, SIOCSIFNETMASK
                request = struct.pack("16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(value))
                fcntl.ioctl(control, call, request)
        fcntl.ioctl(control, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x8 | 0x40))  # SIOCSIFFLAGS: up, loopback, running


# What strangers send.

HOST = f"{NODE}:{PORT}"
NAMES = ["small.txt", "../../outside", "/etc/passwd", "..%2f..%2foutside", "a\x00b", "x" * 5_000, "CON", ".sixhopignore", "small.txt/", "", "\u202etxt", "{}", "%", "long.bin"]
URLS = ["file:///etc/passwd", "http://0.0.0.0/", "http://169.254.169.254/", "http://user@10.77.0.1/", "http://10.77.3.9:1/", "javascript:alert(1)", "http://[::1]/", "gopher://x", "http://" + "a" * 300]
METHODS = ["query", "hello", "fetch", "sixhop.find", "sixhop.introduce", "sixhop.more", "sixhop.summary", "system.multicall", "system.listMethods", "system.methodHelp", "__import__", "rpc.discover", "", "q" * 3_000]
VALUES = [
    "<string>{name}</string>", "<int>99999999999999999999</int>", "<int>-1</int>", "<boolean>7</boolean>", "<double>nan</double>",
    "<base64>!!!!</base64>", "<dateTime.iso8601>2015-W45-1T00:00:00</dateTime.iso8601>", "<nil/>", "<i8>{number}</i8>", "{name}",
    "<array><data>" + "<value/>" * 300 + "</data></array>", "<struct><member><name>methodName</name><value>query</value></member></struct>",
    "<string>&lol;</string>", "<string><![CDATA[{name}]]></string>", "<array><data>" + "<value><array><data>" * 80 + "</data></array></value>" * 80 + "</data></array>",
]
PROLOGUES = ['<?xml version="1.0"?>', "", "\ufeff", '<?xml version="1.0" encoding="UTF-16"?>', '<!DOCTYPE x [<!ENTITY lol "' + "l" * 200 + '">]>', "<?php die ?>", "<!-- " + "-" * 50 + " -->"]
PATHS = ["/", "/RPC2", "/codes", "/files/{name}", "/blobs/{name}", "/blobs/" + "0" * 64, "/blobs/" + "f" * 64 + "/tree", "/search?q={name}", "/search", "/../../etc/passwd", "/files/..%2f..%2foutside", "http://other/", "*", "//", "/\x7f", "/" + "a" * 9_000]
HEADERS = [
    "Content-Length: -1", "Content-Length: 1000000000000", "Content-Length: 18446744073709551616", "Content-Length: 3\r\nContent-Length: 4", "Transfer-Encoding: chunked", "Transfer-Encoding: \x0bchunked", "Host: evil.example", "Host: a\r\nHost: b",
    "Origin: http://evil.example", "Sec-Fetch-Site: cross-site", "Range: bytes=" + ",".join(f"{n}-{n + 1}" for n in range(300)), "Range: bytes=9-1", "Range: bytes=-0", "Expect: 100-continue", "Upgrade: websocket\r\nConnection: Upgrade", " folded: x", "No colon here", "X: \x01", "X-Long: " + "y" * 20_000,
    "sixhop-through: {name}", "sixhop-token: " + "0" * 64, "sixhop-query: zz", "sixhop-budget: -5", "sixhop-asking: " + "http://a/ " * 200, "sixhop-about: mtime=9999999999999999999", "If-None-Match: *", "If-Range: \"x\"", "Authorization: Bearer wrong", "\r\nsecond: head",
]
JSONS = ["[" * 3_000, '{"a":' * 2_000, '{"jsonrpc":"2.0","method":"node.stop","id":1}', '{"jsonrpc":"2.0","method":"fetch.start","params":{"name":"../x"},"id":' + "9" * 400 + "}", "[" + '{"jsonrpc":"2.0","method":"node.status","id":1},' * 300 + "{}]", '"\\ud800"', "{}", "null", "\x00", '{"jsonrpc":"2.0","method":"share.list","params":' + '{"x":' * 200 + "1" + "}" * 200 + ',"id":1}']


def document(rng):
    method = rng.choice(METHODS)
    fill = {"name": rng.choice(NAMES + URLS), "number": rng.randrange(-(2**63), 2**63)}
    values = [rng.choice(VALUES).replace("{name}", fill["name"]).replace("{number}", str(fill["number"])) for _ in range(rng.randrange(0, 4))]
    if method == "system.multicall" and rng.random() < 0.5:
        inner = "".join(f"<value><struct><member><name>methodName</name><value>{rng.choice(METHODS)}</value></member><member><name>params</name><value><array><data/></array></value></member></struct></value>" for _ in range(rng.randrange(0, 40)))
        values = [f"<array><data>{inner}</data></array>"]
    params = "".join(f"<param><value>{value}</value></param>" for value in values)
    return f"{rng.choice(PROLOGUES)}<methodCall><methodName>{method}</methodName><params>{params}</params></methodCall>".encode("utf-8", "surrogatepass")


def changed(rng, data):
    """A few bytes changed, taken out or doubled."""
    data = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        if not data:
            break
        at = rng.randrange(len(data))
        kind = rng.randrange(4)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            del data[at : at + rng.randrange(1, 40)]
        elif kind == 2:
            data[at:at] = data[at : at + rng.randrange(1, 40)]
        else:
            data[at:at] = rng.randbytes(rng.randrange(1, 9))
    return bytes(data)


def posted(rng, path, body, kind):
    extra = rng.choice(HEADERS).replace("{name}", rng.choice(NAMES + URLS)) + "\r\n" if rng.random() < 0.1 else ""
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {kind}\r\n{extra}Content-Length: {len(body)}\r\n\r\n"
    return head.encode("utf-8", "surrogatepass") + body


def request(rng):
    """A request, and whether it is well formed enough for another one behind it."""
    kind = rng.random()
    if kind < 0.45:
        body = document(rng)
        if rng.random() < 0.4:
            body = changed(rng, body)
        return posted(rng, rng.choice(["/RPC2", "/", "/codes"]), body, "text/xml"), True
    if kind < 0.60:
        body = rng.choice(JSONS).encode()
        return posted(rng, rng.choice(["/RPC2", "/", "/blobs"]), changed(rng, body) if rng.random() < 0.5 else body, "application/json"), True
    if kind < 0.70:
        body = rng.randbytes(rng.choice([0, 1, 31, 32, 33, 320, 513 * 32]))
        return posted(rng, "/blobs", body, "application/x-sixhop-digests"), True
    if kind < 0.97:
        path = rng.choice(PATHS).replace("{name}", rng.choice(NAMES))
        line = rng.choice(["GET", "GET", "GET", "HEAD", "PUT", "CONNECT", "OPTIONS", "get", "G T", ""]) + f" {path} " + rng.choice(["HTTP/1.1"] * 5 + ["HTTP/2.0", "HTTP/1.0", "HTTP/0.9", "HTTP/1.1 ", ""])
        headers = [f"Host: {HOST}"] * rng.choice([1, 1, 1, 1, 0, 2])
        headers += [rng.choice(HEADERS).replace("{name}", rng.choice(NAMES)) for _ in range(rng.choice([0, 0, 1, 2, 70]))]
        end = rng.choice(["\r\n"] * 6 + ["\n", "\r"])
        data = (end.join([line, *headers]) + end + end).encode("utf-8", "surrogatepass")
        return (changed(rng, data), False) if rng.random() < 0.3 else (data, len(headers) < 2 and rng.random() < 0.5)
    return rng.choice([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(200), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", rng.randbytes(500), b"\0" * 100, b"SSH-2.0-x\r\n"]), False


def reply(connection, buffer):
    """One whole answer from a kept connection, or what came until its end."""
    data = buffer
    while b"\r\n\r\n" not in data:
        more = connection.recv(65_536)
        if not more:
            return data, b"", False
        data += more
    head, rest = data.split(b"\r\n\r\n", 1)
    length = re.search(rb"(?im)^content-length:[ \t]*(\d+)", head)
    if length is None or b"chunked" in head.lower():
        return data, b"", False
    length = int(length.group(1))
    if head[9:12] in (b"304", b"204"):
        length = 0
    while len(rest) < length:
        more = connection.recv(65_536)
        if not more:
            return head + rest, b"", False
        rest += more
    is_kept = b"connection: close" not in head.lower()
    return head + b"\r\n\r\n" + rest[:length], rest[length:], is_kept


def check(answer):
    """Says what is wrong with an answer to a stranger."""
    if not answer:
        return None
    if SECRET_TEXT in answer or b"root:x:0:0" in answer or b"/state/" in answer:
        return f"it says what it must not: {answer[:300]!r}"
    status = answer[9:12]
    if not answer.startswith(b"HTTP/1."):
        return f"it is no HTTP: {answer[:100]!r}"
    if status in (b"500", b"502"):
        return f"status {status.decode()}"
    return None


def strangers(worker, workers, share, seed, sent, wrong):
    """Sends a part of the requests from a part of the addresses."""
    rng = random.Random(seed * 1_000 + worker)
    sources = [f"10.77.1.{n + 1}" for n in range(worker, SOURCES, workers)]
    done, statuses = 0, {}
    control = int(os.environ["FLOOD_CONTROL"])
    while done < share:
        is_control = rng.random() < 0.03
        connection = socket.socket()
        connection.settimeout(4)
        try:
            if is_control:
                connection.connect(("127.0.0.1", control))
            else:
                connection.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT: many more connections
                # One address sends a third of all, far beyond its quota.
                source = "10.77.1.1" if rng.random() < 0.33 else rng.choice(sources)
                connection.bind((source, 0))
                connection.connect((NODE, PORT))
            rest = b""
            for _ in range(rng.choice([1, 5, 40, 80])):
                if is_control:
                    body = rng.choice(JSONS).encode()
                    token = rng.choice(["", "Authorization: Bearer " + "0" * 64 + "\r\n", "Origin: http://evil\r\n", "Authorization: Basic eDp4\r\n"])
                    data = f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{control}\r\n{token}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
                    is_more = True
                else:
                    data, is_more = request(rng)
                done += 1
                connection.sendall(data)
                if not is_more:
                    # Nothing may come behind a head that is not whole.
                    connection.shutdown(socket.SHUT_WR)
                    if rng.random() < 0.3:
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        break
                answer, rest, is_kept = reply(connection, rest)
                is_alert = data[:1] == b"\x16" and answer[:2] == b"\x15\x03"
                problem = None if is_alert else check(answer)  # What begins as TLS does is answered as such.
                if is_control and answer[9:12] == b"200":
                    problem = f"control answers without the secret: {answer[:200]!r}"
                statuses[answer[9:12].decode("latin-1") or "none"] = statuses.get(answer[9:12].decode("latin-1") or "none", 0) + 1
                if problem:
                    wrong.put(f"{problem} for {data[:400]!r}")
                if not (is_kept and is_more):
                    break
        except (TimeoutError, ConnectionError, OSError) as error:
            name = type(error).__name__
            statuses[name] = statuses.get(name, 0) + 1
        finally:
            connection.close()
        with sent.get_lock():
            sent.value += done - sent_before.get(worker, 0)
        sent_before[worker] = done
    wrong.put(statuses)


sent_before = {}


# The honest client.

def asked(data):
    """One honest request on a connection of its own: the whole answer, and how long it took."""
    begun = time.perf_counter()
    with socket.socket() as connection:
        connection.settimeout(30)
        connection.setsockopt(socket.IPPROTO_IP, 24, 1)
        connection.bind((HONEST, 0))
        connection.connect((NODE, PORT))
        connection.sendall(data)
        answer = b""
        while more := connection.recv(1 << 20):
            answer += more
    return answer, (time.perf_counter() - begun) * 1000


def honest_requests():
    """Requests, and what each answer must hold."""
    query = b'<?xml version="1.0"?><methodCall><methodName>query</methodName><params><param><value><string>small.txt</string></value></param></params></methodCall>'
    head = f"POST /RPC2 HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nContent-Type: text/xml\r\nContent-Length: {len(query)}\r\n\r\n".encode()
    get = f"GET %s HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
    return [
        ("query", head + query, b"for all who ask"),
        ("file", (get % "/files/small.txt").encode(), b"\r\n\r\nfor all who ask"),
        ("long file", (get % "/files/long.bin").encode(), LONG),
        ("search", (get % "/search?q=name:small").encode(), b'"name":"small.txt"'),
    ]


def honest(is_over):
    """Asks until it is over. Returns the times, and what was wrong."""
    times, wrong, requests, n = {}, [], honest_requests(), 0
    while not is_over():
        kind, data, expected = requests[n % len(requests)]
        n += 1
        try:
            answer, taken = asked(data)
        except OSError as error:
            wrong.append(f"{kind}: {error!r}")
            continue
        times.setdefault(kind, []).append(taken)
        if not (answer.startswith(b"HTTP/1.1 200") and expected in answer):
            wrong.append(f"{kind}: {answer[:300]!r}")
        time.sleep(PAUSE)
    return times, wrong


def percentile(times, part):
    return sorted(times)[min(len(times) - 1, int(len(times) * part))]


class Node:
    def __init__(self, home, program):
        share, state = home / "share", home / "state"
        share.mkdir()
        (home / "outside").write_bytes(SECRET_TEXT)
        (share / "small.txt").write_text("for all who ask")
        (share / "long.bin").write_bytes(LONG)
        self.log = open(home / "log", "wb+")
        self.process = subprocess.Popen(
            [program, "--share", share, "--state", state, "--listen", f"{NODE}:{PORT}", "--control", "127.0.0.1:0", "--mdns", "off"],
            stdout=subprocess.PIPE, stderr=self.log, text=True, cwd=home, env={"HOME": str(home), "PATH": os.environ["PATH"]},
        )
        ready = self.process.stdout.readline().split()
        if len(ready) != 3:
            sys.exit(f"the node did not start: {(home / 'log').read_text()}")
        self.control = int(ready[2].rsplit(":", 1)[1])

    def meters(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        number = lambda name: int(re.search(rf"{name}:\s+(\d+)", status).group(1))
        return {"peak": number("VmHWM") / 1024, "threads": number("Threads"), "descriptors": len(os.listdir(f"/proc/{self.process.pid}/fd"))}

    def stop(self):
        self.process.terminate()
        return self.process.wait(20)


def is_more(after, before):
    """Says whether a node holds more than it did."""
    return after["descriptors"] > before["descriptors"] + MORE_DESCRIPTORS or after["threads"] > before["threads"] + MORE_THREADS


def parsed():
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--program", type=pathlib.Path, default=TARGET / "release" / "noded")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--p99", type=float, default=250, help="milliseconds that the honest client waits at most, but for one in a hundred")
    parser.add_argument("--memory", type=float, default=128, help="MiB")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def flood(options, node):
    """Sends it all. Returns the statuses, honest times, and all that was wrong."""
    os.environ["FLOOD_CONTROL"] = str(node.control)
    sent, said = multiprocessing.Value("q", 0), multiprocessing.Queue()
    share = -(-options.requests // options.workers)
    workers = [multiprocessing.Process(target=strangers, args=(n, options.workers, share, options.seed, sent, said)) for n in range(options.workers)]
    for worker in workers:
        worker.start()
    statuses, wrong, left = {}, [], len(workers)

    def is_over():
        nonlocal left
        while not said.empty():
            item = said.get()
            if isinstance(item, dict):
                left -= 1
                for status, count in item.items():
                    statuses[status] = statuses.get(status, 0) + count
            else:
                wrong.append(item)
        dead = node.process.poll() is not None
        return left == 0 or dead or not any(worker.is_alive() for worker in workers)

    times, honest_wrong = honest(is_over)
    for worker in workers:
        worker.terminate() if node.process.poll() is not None else worker.join()
    return statuses, times, wrong + honest_wrong, sent.value


def main():
    options = parsed()
    into_own_network()
    give_addresses()
    with tempfile.TemporaryDirectory() as home:
        node = Node(pathlib.Path(home), options.program)
        for kind, data, expected in honest_requests():
            until = time.monotonic() + 20
            while expected not in asked(data)[0]:
                if time.monotonic() > until:
                    sys.exit(f"{kind}: {asked(data)[0][:300]!r}")
                time.sleep(0.1)
        before, begun = node.meters(), time.monotonic()
        statuses, times, wrong, sent = flood(options, node)
        took = time.monotonic() - begun
        every = [taken for of_kind in times.values() for taken in of_kind]
        print(f"{sent} hostile requests from {SOURCES} addresses in {took:.0f} s, {sent / took:.0f} a second; answers: {json.dumps(dict(sorted(statuses.items())))}")
        for kind, of_kind in [*times.items(), ("all", every)]:
            print(f"honest {kind:9}: {len(of_kind)} answers, p50 {percentile(of_kind, 0.5):.1f} ms, p99 {percentile(of_kind, 0.99):.1f} ms, longest {max(of_kind):.1f} ms")
        if node.process.poll() is not None:
            wrong.append(f"the node died with {node.process.returncode}")
        else:
            until, after = time.monotonic() + 20, node.meters()
            while is_more(after, before) and time.monotonic() < until:
                time.sleep(0.2)
                after = node.meters()
            print(f"before {before}, after {after}")
            if is_more(after, before):
                wrong.append("descriptors or threads do not come back")
            if after["peak"] > options.memory:
                wrong.append(f"{after['peak']:.1f} MiB of memory")
            if node.stop():
                wrong.append("the node did not end well")
        if percentile(every, 0.99) > options.p99:
            wrong.append(f"honest p99 is {percentile(every, 0.99):.1f} ms")
        log = (pathlib.Path(home) / "log").read_bytes()
        wrong += [line.decode("utf-8", "replace") for line in log.splitlines() if b"panic" in line]
        print(f"log: {len(log)} bytes")
    for line in wrong[:20]:
        print(f"WRONG {line}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
