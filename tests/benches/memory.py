#!/usr/bin/env python3
"""How much memory a node takes, in each of its roles.

    cargo build --release && python3 tests/benches/memory.py [--fetch MIB] [--query MIB] [--dir DIR] [--only ROLE]

Peak resident size (VmHWM) of the processes: of holder and asker of a large file that is fetched; of holder, middle and end of a `query` of a long text, whose
nodes are in a chain; and of a quiet node with 200 files, which is looked at after it was left alone. The files are sparse or repeat themselves, so that
little room is needed. With a RAM disk below, pages of its files are nobody's resident memory.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

from node import Node, program

QUIET_SECONDS = 30
LINES = 1 << 14


def ctl(node, *arguments):
    done = subprocess.run([program("ctl"), "--state", node.state, "--json", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"ctl {' '.join(arguments)} failed: {done.stderr or done.stdout}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def started(home, name, *options):
    share = home / name / "share"
    share.mkdir(parents=True, exist_ok=True)
    return Node(share, home / name / "state", *options)


def wait_for(what, condition, seconds=300):
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            sys.exit(f"{what}: not within {seconds} s")
        time.sleep(0.1)


def is_up(node):
    return any(peer["state"] == "up" for peer in ctl(node, "peers")[0]["peers"])


def is_indexed(node):
    return node.status()["index"]["complete"]


def row(what, nodes):
    figures = [f"{role} {node.memory('VmHWM'):.0f} MiB (now {node.memory('VmRSS'):.0f})" for role, node in nodes.items()]
    print(f"| {what} | {', '.join(figures)} |", flush=True)


def write_text(path, size):
    """Text of many different words, so that an index has something to do."""
    block = "".join(f"line {number} of words{number * 7919 % 100_003} and more{number * 104_729 % 99_991}\n" for number in range(LINES)).encode()
    with open(path, "wb") as file:
        while size > 0:
            size -= file.write(block[: min(size, len(block))])


def fetch(home, size):
    share = home / "holder" / "share"
    share.mkdir(parents=True)
    with open(share / "large.bin", "wb") as file:
        file.truncate(size)
    holder = started(home, "holder")
    asker = started(home, "asker", "--peer", holder.url)
    wait_for("they know each other", lambda: is_up(asker))
    ctl(asker, "fetch", "large.bin")
    row(f"{size >> 20} MiB by `ctl fetch`", {"holder": holder, "asker": asker})
    asker.stop()
    holder.stop()


def query(home, size):
    share = home / "first" / "share"
    share.mkdir(parents=True)
    write_text(share / "long.txt", size)
    holder = started(home, "first")
    middle = started(home, "middle", "--peer", holder.url)
    wait_for("the middle knows the holder", lambda: is_up(middle))
    end = started(home, "end", "--peer", middle.url)
    wait_for("the end knows the middle", lambda: is_up(end))
    wait_for("the text is indexed", lambda: is_indexed(holder))
    print(f"| the holder of {size >> 20} MiB of text, indexed | {holder.memory('VmHWM'):.0f} MiB (now {holder.memory('VmRSS'):.0f}) |", flush=True)
    body = b'<?xml version="1.0"?><methodCall><methodName>query</methodName><params><param><value><string>long.txt</string></value></param></params></methodCall>'
    request = urllib.request.Request(end.url, body, {"Content-Type": "text/xml"})
    received = 0
    with urllib.request.urlopen(request) as answer:
        while chunk := answer.read(1 << 18):
            received += len(chunk)
    if received < size:
        sys.exit(f"only {received} bytes came")
    row(f"{size >> 20} MiB of text by `query`", {"holder": holder, "middle": middle, "end": end})
    for node in (end, middle, holder):
        node.stop()


def quiet(home):
    share = home / "quiet" / "share"
    share.mkdir(parents=True)
    for number in range(200):
        write_text(share / f"{number}.txt", 2_000 + 500 * number)
    node = started(home, "quiet")
    wait_for("its files are known", lambda: node.status()["files"] == 200 and is_indexed(node))
    for _ in range(3):
        time.sleep(QUIET_SECONDS / 3)
        row("a quiet node with 200 files", {"node": node})
    node.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fetch", type=int, default=4096, metavar="MIB")
    parser.add_argument("--query", type=int, default=512, metavar="MIB")
    parser.add_argument("--only", choices=["fetch", "query", "quiet"])
    parser.add_argument("--dir", type=pathlib.Path, default=pathlib.Path("/dev/shm"), metavar="DIR")
    arguments = parser.parse_args()
    works = {"quiet": quiet, "query": lambda home: query(home, arguments.query << 20), "fetch": lambda home: fetch(home, arguments.fetch << 20)}
    print("| what | peak |\n|---|---|")
    for role, work in works.items():
        if arguments.only not in (None, role):
            continue
        home = pathlib.Path(tempfile.mkdtemp(prefix="sixhop-bench-", dir=arguments.dir))
        try:
            work(home)
        finally:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
