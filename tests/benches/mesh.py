#!/usr/bin/env python3
"""What a search costs in a full mesh: calls and seconds, of our nodes and of the chapter's peers, in one run.

    cargo build --release && python3 tests/benches/mesh.py [--nodes N] [--rounds N]

Everything runs on this machine, on free ports, in a directory that is removed at the end. Calls are counted where they arrive: by our nodes
themselves (`finds_received`), and of the chapter's peers by a byte in a file for each `query`.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from xmlrpc.client import Fault, ServerProxy

import node

READY_SECONDS = 30

# What tells the files of the members apart.
WORDS = "lighthouse harbour orchard bicycle thunder violin glacier notebook festival compass".split()

# The chapter's peer as it is, with a byte written for each query that arrives.
COUNTING = """
import os, runpy, sys
import xmlrpc.server
counter = os.open(sys.argv.pop(), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
whole = xmlrpc.server.SimpleXMLRPCServer._dispatch
def dispatch(self, method, params):
    if method == "query":
        os.write(counter, b".")
    return whole(self, method, params)
xmlrpc.server.SimpleXMLRPCServer._dispatch = dispatch
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Ours(node.Node):
    """One of ours."""

    def __init__(self, home, word):
        share = home / "share"
        share.mkdir(parents=True)
        (share / f"{word}.txt").write_text(word)
        super().__init__(share, home / "state")

    def received(self):
        return self.status()["counters"]["finds_received"]


class Book:
    """One of the chapter's."""

    def __init__(self, home, word):
        share, self.counter = home / "share", home / "calls"
        share.mkdir(parents=True)
        (share / f"{word}.txt").write_text(word)
        peer = node.ROOT / "tests" / "peers" / "faults_peer.py"
        self.process = subprocess.Popen(
            [sys.executable, "-c", COUNTING, peer, "http://127.0.0.1:0", share, "secret", self.counter], stdout=subprocess.PIPE, text=True
        )
        self.url = self.process.stdout.readline().strip()

    def received(self):
        return self.counter.stat().st_size

    def stop(self):
        self.process.kill()
        self.process.wait(10)


def introduce(members):
    for member in members:
        for other in members:
            if other is not member:
                ServerProxy(member.url).hello(other.url)


def measured(members, work):
    before, begun = sum(member.received() for member in members), time.monotonic()
    work()
    seconds = time.monotonic() - begun
    return sum(member.received() for member in members) - before, seconds


def ours(home, count, rounds):
    nodes = [Ours(home / f"node {n}", WORDS[n]) for n in range(count)]
    introduce(nodes)
    ends = time.monotonic() + READY_SECONDS
    while nodes[0].search("nothing like this.pdf", reach="normal")["asked"] > 1:
        if time.monotonic() > ends:
            sys.exit("the nodes do not know each other's summaries")
        time.sleep(0.1)
    for what, query, reach in [
        ("a hit", f"{WORDS[count - 1]}.txt", "normal"),
        ("a miss", "mountain picture.jpg", "normal"),
        ("a miss, to be sure", "mountain picture.jpg", "sure"),
    ]:
        figures = [measured(nodes, lambda: nodes[0].search(query, reach=reach)) for _ in range(rounds)]
        row(f"Sixhop, {what}", figures)
    for member in nodes:
        member.stop()


def book(home, count):
    peers = [Book(home / f"peer {n}", WORDS[n]) for n in range(count)]
    introduce(peers)

    def miss():
        try:
            ServerProxy(peers[0].url).query("mountain picture.jpg")
            sys.exit("a file that is nowhere was found")
        except Fault as fault:
            if fault.faultCode != 100:
                raise

    # The first call is the question; the others are calls between peers.
    calls, seconds = measured(peers, miss)
    row("the chapter's peers, a miss", [(calls - 1, seconds)])
    for peer in peers:
        peer.stop()


def row(what, figures):
    calls = sorted({calls for calls, _ in figures})
    seconds = statistics.median(seconds for _, seconds in figures)
    print(f"| {what} | {' or '.join(f'{n:,}' for n in calls)} | {seconds:.2f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=len(WORDS), choices=range(2, len(WORDS) + 1))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        print("| network | calls | seconds |\n|---|---|---|")
        ours(pathlib.Path(home), options.nodes, options.rounds)
        book(pathlib.Path(home), options.nodes)


if __name__ == "__main__":
    main()
