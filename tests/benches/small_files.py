#!/usr/bin/env python3
"""How fast many small files in many folders move from one node to another, beside aria2 that fetches them from nginx.

    cargo build --release && python3 tests/benches/small_files.py [--files N] [--folders N] [--bytes N] [--rounds N] [--dir DIR]

Needs nginx and aria2c (Debian: nginx-light, aria2). Everything runs on this machine, on free ports, below one directory that is removed at the end, so
that both write to the same file system; by default on the RAM disk /dev/shm. The programs take turns, and each figure is the median of the rounds.
aria2 is given the list of URLs and the folders beforehand; it checks nothing and brings nothing to the disk. `ctl fetch` finds the names, checks every
file against its digest, and returns when all of them are on the disk.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from node import Node, program
from table import table
from transfer import Nginx, write_random

READY_SECONDS = 60


def processor_seconds(node):
    """User and system time of a node so far."""
    fields = pathlib.Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ctl(node, *arguments):
    done = subprocess.run([program("ctl"), "--state", node.state, "--json", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"ctl {' '.join(arguments)} failed: {done.stderr or done.stdout}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def wait_for(what, condition):
    ends = time.monotonic() + READY_SECONDS
    while not condition():
        if time.monotonic() > ends:
            sys.exit(f"{what}: not within {READY_SECONDS} s")
        time.sleep(0.05)


class Ways:
    """The two ways to fetch the files, and the way back to an empty target."""

    def __init__(self, home, arguments):
        self.names = [f"{folder:03}/{number:05}.bin" for folder in range(arguments.folders) for number in range(arguments.files // arguments.folders)]
        shared, self.target, self.out = home / "shared", home / "target", home / "out"
        for name in self.names:
            path = shared / "many" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_random(path, arguments.bytes)
        self.target.mkdir()
        self.holder = Node(shared, home / "holder")
        self.asker = Node(self.target, home / "asker", "--peer", self.holder.url)
        self.nginx = Nginx(home, shared)
        self.urls = home / "urls"
        lines = (f"{self.nginx.url('many/' + name)}\n  out={name}\n" for name in self.names)
        self.urls.write_text("".join(lines))
        wait_for("the holder knows its files", lambda: self.holder.status()["files"] == len(self.names))
        wait_for("the nodes know each other", lambda: any(peer["state"] == "up" for peer in ctl(self.asker, "peers")[0]["peers"]))

    def ctl_fetch(self):
        last = ctl(self.asker, "fetch", "many/")[-1]
        if last["done"] != len(self.names):
            sys.exit(f"{last['done']} of {len(self.names)} files were fetched: {last}")

    def aria2(self):
        subprocess.run(["aria2c", "-q", "-j16", "-d", self.out, "-i", self.urls], check=True, stdout=subprocess.DEVNULL)

    def forget(self):
        shutil.rmtree(self.target / "many", ignore_errors=True)
        shutil.rmtree(self.out, ignore_errors=True)
        for name in self.names:
            (self.out / name).parent.mkdir(parents=True, exist_ok=True)
        wait_for("the asker saw that its files are gone", lambda: self.asker.status()["files"] == 0)
        os.sync()

    def stop(self):
        for running in (self.asker, self.holder, self.nginx):
            running.stop()


def compare(ways, rounds):
    works = {"`ctl fetch many/`": ways.ctl_fetch, "`aria2c -j16`, from nginx": ways.aria2}
    ways.forget()
    ways.ctl_fetch()
    times, processor = {way: [] for way in works}, []
    for _ in range(rounds):
        for way, work in works.items():
            ways.forget()
            before, begun = processor_seconds(ways.asker), time.monotonic()
            work()
            times[way].append(time.monotonic() - begun)
            if work == ways.ctl_fetch:
                processor.append(processor_seconds(ways.asker) - before)
    table(f"{len(ways.names):,} files, median of {rounds}", times, "`aria2c -j16`, from nginx", "aria2")
    print(f"\nProcessor time of the asker: {statistics.median(processor):.2f} s a round; its peak: {ways.asker.memory('VmHWM'):.0f} MiB,")
    print(f"that of the holder: {ways.holder.memory('VmHWM'):.0f} MiB. Load of the machine: {os.getloadavg()[0]:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000, metavar="N")
    parser.add_argument("--folders", type=int, default=100, metavar="N")
    parser.add_argument("--bytes", type=int, default=4096, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--dir", type=pathlib.Path, default=pathlib.Path("/dev/shm"), metavar="DIR")
    arguments = parser.parse_args()
    home = pathlib.Path(tempfile.mkdtemp(prefix="sixhop-bench-", dir=arguments.dir))
    try:
        ways = Ways(home, arguments)
        compare(ways, arguments.rounds)
        ways.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
