#!/usr/bin/env python3
"""Searches in a network of real nodes, before and after a part of them is killed.

    cargo build --release && python3 tests/benches/network.py [--nodes N] [--peers N] [--needles N] [--searches N] [--dir DIR] [--seed N]

Starts the nodes on loopback, each a process, each with half of its peers among those before it; they tell the others of themselves. Every needle is a file
that one node in a hundred has. Then nodes that are drawn at random search for needles that they do not have, one search at a time: by an exact name, by words
and by digest. A fifth of the nodes is killed (SIGKILL) and the rest search again, at once, for needles that some living node still has.
"""

import argparse
import pathlib
import random
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import node

# Calls that a search may take, and seconds at the 95th of 100.
CALLS_MAX, SECONDS_MAX = 64, 1.0


class Needle:
    def __init__(self, holders, rng):
        first, second = ("".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=12)) for _ in range(2))
        self.name = f"needles/{first} and {second}.txt"
        self.words = f"{second} {first}"
        self.holders = holders
        self.digest = None


def start(home, number, needles, peers):
    share = home / f"{number}" / "share"
    (share / "needles").mkdir(parents=True)
    (share / f"of its own {number}.txt").write_text(f"only here: {number}")
    for needle in needles:
        if number in needle.holders:
            (share / needle.name).write_text(f"found {needle.name}")
    options = [option for peer in peers for option in ("--peer", peer)]
    return node.Node(share, home / f"{number}" / "state", *options)


def build(home, arguments, rng):
    count = arguments.nodes
    needles = [Needle(set(rng.sample(range(count), max(1, count // 100))), rng) for _ in range(arguments.needles)]
    nodes = []
    for number in range(count):
        known = rng.sample(nodes, min(len(nodes), arguments.peers // 2))
        nodes.append(start(home, number, needles, [peer.url for peer in known]))
    return nodes, needles


def settle(nodes, needles, seconds):
    """Until every node knows its peers, has its digests, and has asked its peers what they have."""
    until = time.monotonic() + seconds
    for member in nodes:
        while time.monotonic() < until and any(peer["state"] == "new" for peer in member.call("peer.list")):
            time.sleep(0.05)
    for needle in needles:
        holder = nodes[min(needle.holders)]
        while time.monotonic() < until and needle.digest is None:
            needle.digest = holder.call("share.stat", name=needle.name)["digest"]


def searches(nodes, needles, count, rng):
    """Searches one after the other; what each of them found, called and took."""
    alive = {number for number, member in enumerate(nodes) if member.process.poll() is None}
    kinds = {"an exact name": lambda n: f'name:"{n.name}"', "words": lambda n: f"name:{n.words}"}
    results = {kind: [] for kind in [*kinds, "a digest, fetched"]}
    for turn in range(count):
        needle = rng.choice([needle for needle in needles if needle.holders & alive])
        asker = rng.choice(sorted(alive - needle.holders))
        kind = list(results)[turn % len(results)]
        begun = time.monotonic()
        if kind in kinds:
            answer = nodes[asker].search(kinds[kind](needle), limit=1)
            found = any(hit["name"] == needle.name for hit in answer["hits"])
            calls = answer["asked"] - 1
        else:
            fetch = fetched(nodes[asker], needle)
            found, calls = fetch["state"] == "done", fetch["asked"]
            if found:
                needle.holders.add(asker)
        results[kind].append((found, calls, time.monotonic() - begun))
    return results


def fetched(asker, needle):
    fetch = asker.call("fetch.start", name=needle.name, digest=needle.digest)
    while fetch["ended"] is None:
        fetch = asker.call("fetch.wait", id=fetch["id"], seconds=10)
    return fetch


def report(when, results):
    for kind, each in results.items():
        if not each:
            continue
        found = sum(found for found, _, _ in each)
        calls = sorted(calls for _, calls, _ in each)
        took = sorted(seconds for _, _, seconds in each)
        p95 = took[int(len(took) * 0.95)]
        fine = "" if calls[-1] <= CALLS_MAX and p95 <= SECONDS_MAX else "  MISSED"
        print(
            f"{when}, {kind}: {found} of {len(each)} found ({found / len(each):.1%}); calls: median {statistics.median(calls):.0f}, most {calls[-1]}; "
            f"seconds: median {statistics.median(took):.3f}, p95 {p95:.3f}, most {took[-1]:.3f}{fine}",
            flush=True,
        )


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--nodes", type=int, default=200)
    options.add_argument("--peers", type=int, default=16)
    options.add_argument("--needles", type=int, default=50)
    options.add_argument("--searches", type=int, default=300)
    options.add_argument("--settle", type=float, default=120)
    options.add_argument("--dir", default=None)
    options.add_argument("--seed", type=int, default=7)
    arguments = options.parse_args()
    rng = random.Random(arguments.seed)
    home = pathlib.Path(tempfile.mkdtemp(prefix="sixhop-network-", dir=arguments.dir))
    nodes = []
    try:
        begun = time.monotonic()
        nodes, needles = build(home, arguments, rng)
        settle(nodes, needles, arguments.settle)
        peers = [len(member.call("peer.list")) for member in nodes]
        print(f"{len(nodes)} nodes after {time.monotonic() - begun:.0f} s, {statistics.mean(peers):.1f} peers each; resident together {sum(member.memory('VmRSS') for member in nodes):.0f} MiB", flush=True)
        report("all alive", searches(nodes, needles, arguments.searches, rng))
        for member in rng.sample(nodes, len(nodes) // 5):
            member.kill()
        report("a fifth killed", searches(nodes, needles, arguments.searches, rng))
    finally:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda member: member.process.kill(), nodes))
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
