#!/usr/bin/env python3
"""How fast files move from one node to another, beside curl and aria2 that fetch it from nginx.

    cargo build --release && python3 tests/benches/transfer.py [--size MIB] [--files N] [--rounds N] [--dir DIR]

Needs curl, and nginx and aria2c if they are to be compared (Debian: nginx-light, aria2). Everything runs on this machine, on free ports, in a
directory that is removed at the end; by default on the RAM disk /dev/shm, so that the disk is not what is measured. The programs take turns, and
each figure is the median of the rounds.
"""

import argparse
import hashlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

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
        self.port = free_port()
        config = home / "nginx.conf"
        config.write_text(
            f"daemon off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/nginx.log;\n"
            "events {}\n"
            "http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n"
            f"  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;\n"
            f"  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;\n"
            f"  server {{ listen 127.0.0.1:{self.port}; root {root}; }} }}\n"
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

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


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


def one_large_file(home, size, rounds):
    """One file, in turns. The holder knows its digest before; the asker forgets the file between rounds."""
    name = "large.bin"
    holder = Node(home / "holder")
    write_random(holder.share / name, size)
    asker = Node(home / "asker", [holder.url])
    out = home / "out"
    out.mkdir()

    def fetch():
        asker.ctl("fetch", name)

    def forget():
        (asker.share / name).unlink(missing_ok=True)
        for path in out.iterdir():
            path.unlink()

    asker.wait_for(lambda node: any(peer["state"] == "up" for peer in node.ctl("peers")[0]["peers"]), READY_SECONDS)
    first = timed(fetch)  # the holder hashes the file, if it has not yet
    if sha256(asker.share / name) != sha256(holder.share / name):
        sys.exit("the fetched file is not the shared one")
    ways = {"ctl fetch (verified)": fetch}
    nginx = None
    if shutil.which("nginx"):
        nginx = Nginx(home, holder.share)
        ways["curl -o, from nginx"] = lambda: run("curl", "-s", "-o", out / name, nginx.url(name))
        if shutil.which("aria2c"):
            ways["aria2c -x4, from nginx"] = lambda: run(
                "aria2c", "-q", "-x4", "-s4", "--file-allocation=none", "-d", out, "-o", name, nginx.url(name)
            )
    times = {way: [] for way in ways}
    for _ in range(rounds):
        for way, work in ways.items():
            forget()
            times[way].append(timed(work))
    in_a_table(f"{size >> 20} MiB, median of {rounds}", times)
    print(f"\nThe first fetch, with hashing at the holder, took {first:.2f} s")
    print(f"\nPeak memory: holder {holder.peak_mib():.0f} MiB, asker {asker.peak_mib():.0f} MiB")
    for running in (asker, holder, nginx):
        if running:
            running.stop()


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
    others = [way for way in times if "nginx" in way]
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
