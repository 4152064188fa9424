"""What hostile handlers do to honest queries: the time of `name:` queries over a kept control connection, with and without
four hostile queries that run all the time, in turns.

    cargo build --release -p node && python3 tests/benches/hostile.py [--rounds N] [--kind scripts|program|all]

Needs Python 3 only. The hostile scripts are those of plugins/script/tests/script/hostile.txt and two that stay just below
their limits, so that they are never switched off; the hostile program spins for most of a second and answers then.
"""
import argparse
import http.client
import json
import multiprocessing
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
CORPUS = ROOT / "plugins/script/tests/script/hostile.txt"
FILES = 2_000
HOSTILE = 4
ROUND = 1.5  # seconds
EXAMPLE = '{"query": "q", "files": {}, "finds": []}'

# Below the limits of operations and time, with much allocation in the second one.
BUSY = "fn answer(q) { for i in 0..60000 { let x = i * 2; } }"
HUNGRY = 'fn answer(q) { let s = ""; s.pad(8000, \'x\'); let a = []; for i in 0..12000 { if a.len() > 60 { a = []; } a.push(s + i); } }'

PROGRAM = """#!/usr/bin/env python3
import json, sys, time
sys.stdin.readline()
print(json.dumps({"sixhop": 1, "id": "spin", "version": VERSION, "prefix": "spin", "description": "spins",
                  "examples": [{"query": "q", "files": {}, "finds": []}]}), flush=True)
for line in sys.stdin:
    message = json.loads(line)
    if message["type"] == "answer":
        end = time.monotonic() + min(message["milliseconds"] / 1000, 1) * 0.9
        while time.monotonic() < end:
            sum(i * i for i in range(1000))
        print(json.dumps({"type": "done", "id": message["id"]}), flush=True)
"""


def script(prefix, version, code):
    return f"//! id: {prefix}\n//! version: {version}\n//! prefix: {prefix}\n//! description: hostile\n//! example: {EXAMPLE}\n{code}\n"


def put(path, text, mode):
    new = path.with_name("." + path.name)
    new.write_text(text)
    new.chmod(mode)
    new.rename(path)


class Node:
    def __init__(self, home, program):
        share, self.plugins, self.state = home / "share", home / "plugins", home / "state"
        share.mkdir()
        self.plugins.mkdir(mode=0o755)
        for n in range(FILES):
            (share / f"report {n} of the year {1900 + n % 130}.txt").write_text("x" * 2_000)
        self.version = 0
        if not program.exists():
            sys.exit(f"{program} is not there: run cargo build --release -p node first")
        self.process = subprocess.Popen(
            [program, "--share", share, "--state", self.state, "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--plugins", self.plugins],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        ready = self.process.stdout.readline().split()
        self.control = ready[2].removeprefix("control=")
        self.secret = (self.state / "secret").read_text().strip()

    def client(self):
        return Client(self.control, self.secret)

    def renew(self, kind):
        """Puts all hostile handlers there anew, so that those that were switched off run again. Gives their prefixes."""
        self.version += 1
        prefixes = []
        if kind in ("scripts", "all"):
            for n, code in enumerate([*CORPUS.read_text().splitlines(), BUSY, HUNGRY]):
                prefix = f"bad{n}"
                put(self.plugins / f"{prefix}.rhai", script(prefix, self.version, code), 0o644)
                prefixes.append(prefix)
            # Half of the queries go to those that are never switched off.
            prefixes = [p for pair in zip(prefixes, [f"bad{n - 1}", f"bad{n}"] * len(prefixes)) for p in pair]
        if kind in ("program", "all"):
            put(self.plugins / "spin.py", PROGRAM.replace("VERSION", str(self.version)), 0o755)
            prefixes += ["spin"] * (len(prefixes) or 1)
        client = self.client()
        until = time.monotonic() + 30
        while time.monotonic() < until:
            plugins = client.call("plugin.list")
            loaded = [p for p in plugins if p.get("version") == self.version or p["state"] == "broken"]
            if len(loaded) >= len(set(prefixes)):
                return prefixes
            time.sleep(0.05)
        sys.exit("the hostile handlers are not loaded")

    def resident(self, which):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(which):
                return int(line.split()[1]) / 1024
        return float("nan")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


class Client:
    def __init__(self, address, secret):
        self.connection = http.client.HTTPConnection(address)
        self.headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}

    def call(self, method, **params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        self.connection.request("POST", "/", body, self.headers)
        answer = json.loads(self.connection.getresponse().read())
        return answer.get("result", answer.get("error"))


def attack(address, secret, prefixes, first, going, ran, busy):
    """Asks hostile queries, one after the other. Whoever asks them is on another machine, so this takes only what the others leave."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    client, n = Client(address, secret), first
    while going.is_set():
        begun = time.monotonic()
        client.call("search.query", query=f"{prefixes[n % len(prefixes)]}:q", limit=10)
        taken = time.monotonic() - begun
        n += HOSTILE
        with ran.get_lock(), busy.get_lock():
            ran.value += taken > 0.005
            busy.value += taken if taken > 0.005 else 0
        if taken < 0.005:
            time.sleep(0.01)  # It is switched off: nothing ran.


def honest(client, seconds):
    """Times of queries, in milliseconds."""
    times, until, n = [], time.monotonic() + seconds, 0
    while time.monotonic() < until:
        n += 1
        query = f"name:report {n % FILES}"
        begun = time.perf_counter()
        answer = client.call("search.query", query=query, limit=10)
        times.append((time.perf_counter() - begun) * 1000)
        if not answer.get("hits"):
            sys.exit(f"{query} was answered with {answer}")
    return times


def percentile(times, part):
    return sorted(times)[min(len(times) - 1, int(len(times) * part))]


def with_hostile(node, kind, client):
    prefixes = node.renew(kind)
    going = multiprocessing.Event()
    going.set()
    ran, busy = multiprocessing.Value("i", 0), multiprocessing.Value("d", 0.0)
    workers = [
        multiprocessing.Process(target=attack, args=(node.control, node.secret, prefixes, n, going, ran, busy)) for n in range(HOSTILE)
    ]
    for worker in workers:
        worker.start()
    time.sleep(0.3)
    begun, busy_before = time.monotonic(), busy.value
    times = honest(client, ROUND)
    share = (busy.value - busy_before) / (time.monotonic() - begun) / HOSTILE
    going.clear()
    for worker in workers:
        worker.join()
    return times, ran.value, share


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--kind", choices=["scripts", "program", "all"], default="scripts")
    parser.add_argument("--program", type=pathlib.Path, default=TARGET / "release" / "noded")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        node = Node(pathlib.Path(home), options.program)
        client = node.client()
        honest(client, 1)
        quiet_all, loud_all, ratios, ran, shares = [], [], [], 0, []
        before = node.resident("VmHWM:")
        for _ in range(options.rounds):
            node.renew(options.kind)  # Loading costs the same in both.
            quiet = honest(client, ROUND)
            loud, count, share = with_hostile(node, options.kind, client)
            quiet_all += quiet
            loud_all += loud
            ran += count
            shares.append(share)
            ratios.append(percentile(loud, 0.99) / percentile(quiet, 0.99))
        print(f"{len(quiet_all)} and {len(loud_all)} honest queries, {ran} hostile answers, {statistics.mean(shares):.0%} of the time {HOSTILE} at a time")
        for name, part in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)):
            quiet, loud = percentile(quiet_all, part), percentile(loud_all, part)
            print(f"{name:6} alone {quiet:8.3f} ms   beside hostile ones {loud:8.3f} ms   times {loud / quiet:.3f}")
        print(f"p99 of each round, times: median {statistics.median(ratios):.3f}, least {min(ratios):.3f}, most {max(ratios):.3f}")
        print(f"peak memory of the node: {before:.1f} MiB before, {node.resident('VmHWM:'):.1f} MiB after")
        node.stop()


if __name__ == "__main__":
    main()
