#!/usr/bin/env python3
"""How fast files move from one node to another, in clear and over TLS, beside curl and aria2 that fetch them from nginx.

    cargo build --release && python3 tests/benches/transfer.py [--size MIB] [--files N] [--rounds N] [--dir DIR]

Needs curl, and nginx and aria2c if they are to be compared (Debian: nginx-light, aria2, openssl). Everything runs on this machine, on free ports, in a
directory that is removed at the end; by default on the RAM disk /dev/shm, so that the disk is not what is measured. The programs take turns, and
each figure is the median of the rounds.
"""

import argparse
import hashlib
import http.server
import json
import os
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import xmlrpc.client

from node import program
from table import table

READY_SECONDS = 20


class Node:
    """A node in a directory of its own, with its state beside its share."""

    def __init__(self, home, peers=()):
        self.share, self.state = home / "share", home / "state"
        self.share.mkdir(parents=True, exist_ok=True)
        options = [option for peer in peers for option in ("--peer", peer)]
        self.process = subprocess.Popen(
            [program("noded"), "--share", self.share, "--state", self.state, "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        ready = self.process.stdout.readline().split()
        if not ready or ready[0] != "ready":
            sys.exit(f"the node in {home} did not start")
        self.url = ready[1].removeprefix("url=")

    def ctl(self, *arguments):
        done = subprocess.run([program("ctl"), "--state", self.state, "--json", *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"ctl {' '.join(arguments)} failed: {done.stderr or done.stdout}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def peak_mib(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return float("nan")

    def wait_for(self, what, seconds):
        ends = time.monotonic() + seconds
        while not what(self):
            if time.monotonic() > ends:
                sys.exit(f"a node was not ready in {seconds} s")
            time.sleep(0.05)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


class Nginx:
    def __init__(self, home, root):
        self.port, self.tls_port = free_port(), free_port()
        certificate(home)
        config = home / "nginx.conf"
        config.write_text(
            f"daemon off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/nginx.log;\n"
            "events {}\n"
            "http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n"
            f"  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;\n"
            f"  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;\n"
            f"  ssl_certificate {home}/tls.pem; ssl_certificate_key {home}/tls.key; ssl_protocols TLSv1.3;\n"
            f"  server {{ listen 127.0.0.1:{self.port}; listen 127.0.0.1:{self.tls_port} ssl; root {root}; }} }}\n"
        )
        # Its worker must be able to read a directory that only this user may enter.
        user = ["-g", "user root;"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen([shutil.which("nginx"), "-c", config, *user], stderr=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        sys.exit("nginx did not start")

    def url(self, name):
        return f"http://127.0.0.1:{self.port}/{name}"

    def tls_url(self, name):
        return f"https://127.0.0.1:{self.tls_port}/{name}"

    def pids(self):
        """Its own process and its worker."""
        main = self.process.pid
        return [main, *map(int, pathlib.Path(f"/proc/{main}/task/{main}/children").read_text().split())]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def certificate(home):
    """Makes a key and a certificate for nginx."""
    command = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", home / "tls.key", "-out", home / "tls.pem"], check=True, capture_output=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def timed(work):
    started = time.monotonic()
    work()
    return time.monotonic() - started


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def write_random(path, size):
    with open(path, "wb") as file:
        while size > 0:
            size -= file.write(os.urandom(min(size, 1 << 22)))


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class OlderNode(http.server.BaseHTTPRequestHandler):
    """A node that knows a holder, but no ids: who asks it for files is told the URL of the holder and meets it in clear."""

    holder = None
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "sixhop/0", ""

    def do_POST(self):
        call = self.rfile.read(int(self.headers["Content-Length"]))
        _, method = xmlrpc.client.loads(call)
        if method == "hello":
            answer = xmlrpc.client.dumps((0,), methodresponse=True)
        elif method == "sixhop.find":
            found = {"hits": [], "more": False, "peers": [self.holder], "matching": 1, "others": 0}
            answer = xmlrpc.client.dumps((found,), methodresponse=True)
        else:
            answer = xmlrpc.client.dumps(xmlrpc.client.Fault(-32601, "no such method"))
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_):
        pass


def older_node(holder):
    """Starts a node that names `holder` and returns its URL."""
    conduct = type("Naming", (OlderNode,), {"holder": holder})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), conduct)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


def processor(pid):
    """The processor time of a process, in seconds."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def of_children():
    """The processor time of the programs that were run and are over, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Way:
    """One way to fetch the file, and what each round took."""

    def __init__(self, work, pids, begin=lambda: None, end=lambda: None):
        self.work, self.pids, self.begin, self.end = work, pids, begin, end
        self.seconds, self.processors = [], []

    def round(self):
        self.begin()
        before = sum(map(processor, self.pids())) + of_children()
        self.seconds.append(timed(self.work))
        self.processors.append(sum(map(processor, self.pids())) + of_children() - before)
        self.end()


def one_large_file(home, size, rounds):
    """One file, in turns. The holder knows its digest before; the asker forgets the file between rounds."""
    name = "large.bin"
    holder = Node(home / "holder")
    write_random(holder.share / name, size)
    asker = Node(home / "asker", [holder.url])
    out = home / "out"
    out.mkdir()
    older = older_node(holder.url)
    stranger = None

    def is_up(node):
        return any(peer["state"] == "up" for peer in node.ctl("peers")[0]["peers"])

    def paths(node):
        return [peer.get("path") for peer in node.ctl("peers")[0]["peers"]]

    def begin_in_clear():
        # A new one each time: after a fetch it meets the holder, and speaks TLS with it.
        nonlocal stranger
        stranger = Node(home / "stranger", [older])
        stranger.wait_for(is_up, READY_SECONDS)

    def end_in_clear():
        if "tls" in paths(stranger):
            sys.exit("what was to be fetched in clear may have come over TLS")
        stranger.stop()
        shutil.rmtree(home / "stranger")

    def forget():
        (asker.share / name).unlink(missing_ok=True)
        for path in out.iterdir():
            path.unlink()

    asker.wait_for(is_up, READY_SECONDS)
    first = timed(lambda: asker.ctl("fetch", name))  # the holder hashes the file, if it has not yet
    if sha256(asker.share / name) != sha256(holder.share / name):
        sys.exit("the fetched file is not the shared one")
    if "tls" not in paths(asker):
        sys.exit("the two nodes do not speak TLS")
    pids = lambda *nodes: lambda: [node.process.pid for node in nodes]
    ways = {
        "ctl fetch, in clear": Way(lambda: stranger.ctl("fetch", name), lambda: pids(stranger, holder)(), begin_in_clear, end_in_clear),
        "ctl fetch, over TLS": Way(lambda: asker.ctl("fetch", name), pids(asker, holder)),
    }
    nginx = Nginx(home, holder.share) if shutil.which("nginx") else None
    if nginx:
        curl = ["curl", "-s", "-k", "-o", out / name]
        ways["curl -o, in clear"] = Way(lambda: run(*curl, nginx.url(name)), nginx.pids)
        ways["curl -k -o, over TLS"] = Way(lambda: run(*curl, nginx.tls_url(name)), nginx.pids)
        if shutil.which("aria2c"):
            aria2 = ["aria2c", "-q", "-x4", "-s4", "--file-allocation=none", "-d", out, "-o", name]
            ways["aria2c -x4, in clear"] = Way(lambda: run(*aria2, nginx.url(name)), nginx.pids)
    for _ in range(rounds):
        for way in ways.values():
            forget()
            way.round()
    times = {way: figures.seconds for way, figures in ways.items()}
    in_a_table(f"{size >> 20} MiB, median of {rounds}", times)
    in_a_table("processor time of all processes", {way: figures.processors for way, figures in ways.items()})
    compare(times, ways)
    print(f"\nThe first fetch, with hashing at the holder, took {first:.2f} s")
    print(f"\nPeak memory: holder {holder.peak_mib():.0f} MiB, asker {asker.peak_mib():.0f} MiB")
    for running in (asker, holder, nginx):
        if running:
            running.stop()


def compare(times, ways):
    """Prints the ratios that are asked for, of the medians of one run."""
    median = {way: statistics.median(taken) for way, taken in times.items()}
    work = {way: statistics.median(figures.processors) for way, figures in ways.items()}
    plain, tls = "ctl fetch, in clear", "ctl fetch, over TLS"
    print(f"\nTLS against clear: {median[tls] / median[plain]:.2f} times the time, {work[tls] / work[plain]:.2f} times the processor")
    for way, other in ((plain, "curl -o, in clear"), (tls, "curl -k -o, over TLS")):
        if other in median:
            print(f"{way}, against {other}: {median[way] / median[other]:.2f} times the time")
    print(f"Load of the machine: {os.getloadavg()[0]:.1f}")


def many_small_files(home, count, rounds):
    """Many files of 4 KiB, in turns: all that a glob matches, and a list of URLs."""
    holder = Node(home / "holder-of-many")
    (holder.share / "many").mkdir()
    for number in range(count):
        write_random(holder.share / "many" / f"{number}.bin", 4096)
    asker = Node(home / "asker-of-many", [holder.url])
    out = home / "out-of-many"
    out.mkdir()
    asker.wait_for(lambda node: any(peer["state"] == "up" for peer in node.ctl("peers")[0]["peers"]), READY_SECONDS)

    def fetch():
        last = asker.ctl("fetch", "many/")[-1]
        if last["done"] != count:
            sys.exit(f"{last['done']} of {count} files were fetched")

    def forget():
        shutil.rmtree(asker.share / "many", ignore_errors=True)
        shutil.rmtree(out)
        out.mkdir()

    fetch()
    ways = {"ctl fetch many/ (verified)": fetch}
    nginx = None
    if shutil.which("nginx") and shutil.which("aria2c"):
        nginx = Nginx(home, holder.share)
        urls = home / "urls"
        urls.write_text("".join(nginx.url(f"many/{number}.bin") + "\n" for number in range(count)))
        ways["aria2c -j16 -i list, from nginx"] = lambda: run("aria2c", "-q", "-j16", "-d", out, "-i", urls)
    times = {way: [] for way in ways}
    for _ in range(rounds):
        for way, work in ways.items():
            forget()
            times[way].append(timed(work))
    in_a_table(f"{count} files of 4 KiB, median of {rounds}", times)
    for running in (asker, holder, nginx):
        if running:
            running.stop()


def in_a_table(what, times):
    others = [way for way in times if "nginx" in way or "curl" in way]
    table(what, times, (others or list(times))[0], "the first from nginx")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024, metavar="MIB")
    parser.add_argument("--files", type=int, default=10_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--dir", type=pathlib.Path, default=pathlib.Path("/dev/shm"), metavar="DIR")
    arguments = parser.parse_args()
    home = pathlib.Path(tempfile.mkdtemp(prefix="sixhop-bench-", dir=arguments.dir))
    try:
        if arguments.size > 0:
            one_large_file(home, arguments.size << 20, arguments.rounds)
        if arguments.files > 0:
            many_small_files(home, arguments.files, arguments.rounds)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
