#!/usr/bin/env python3
"""Which source files the code of one request is in: a relayed `query`, and a fetch.

    cargo build && python3 tests/benches/routes.py query|fetch [--programs target/debug]

Needs valgrind. A node runs under callgrind beside a peer that has the files. It is left alone for a while, then it gets one request. A file counts if a
function in it ran for the request and not before: what the node does by itself does not count, nor does what the file system or a library does. Inlined
functions count where they were written. A fetch also counts what a new file in the share brings about: the scan, its digest and the index.
"""

import argparse
import collections
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

ALONE_SECONDS = 20
READY_SECONDS = 300
CALL = "<methodCall><methodName>query</methodName><params><param><value><string>{}</string></value></param></params></methodCall>"
SOURCE = re.compile(r"(?:^|/)((?:node|plugins|ctl)/(?:[\w-]+/)?src/.*\.rs)$")


class Traced:
    """A node, under callgrind if it is `traced`."""

    def __init__(self, programs, home, name, *options, traced=False):
        self.programs, self.state = programs, home / name / "state"
        share = home / name / "share"
        share.mkdir(parents=True, exist_ok=True)
        command = [programs / "noded", "--share", share, "--state", self.state, "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", *options]
        if traced:
            settings = [f"--callgrind-out-file={home}/calls.%p", "--compress-strings=no", "--compress-pos=no"]
            command = ["valgrind", "--tool=callgrind", *settings, *command]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        ready = self.process.stdout.readline().split()
        if not ready or ready[0] != "ready":
            sys.exit(f"{name} did not start")
        self.url = ready[1].removeprefix("url=")

    def ctl(self, *arguments):
        command = [self.programs / "ctl", "--state", self.state, "--json", *arguments]
        return subprocess.run(command, capture_output=True, text=True).stdout

    def callgrind(self, what):
        subprocess.run(["callgrind_control", what, str(self.process.pid)], check=True, capture_output=True)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def functions(path):
    """The functions of ours in a dump, by their files."""
    found, file = collections.defaultdict(set), None
    for line in open(path, errors="replace"):
        if line.startswith("fl="):
            file = SOURCE.search(line[3:].strip())
        elif line.startswith("fn=") and file:
            found[file.group(1)].add(line[3:].strip())
    return found


def measure(home, programs, route):
    share = home / "holder" / "share"
    share.mkdir(parents=True)
    (share / "wanted.txt").write_bytes(b"some text, not long\n" * 50)
    (share / "large.bin").write_bytes(bytes(3_000_000))
    holder = Traced(programs, home, "holder")
    node = Traced(programs, home, "node", "--peer", holder.url, traced=True)
    ends = time.monotonic() + READY_SECONDS
    while '"up"' not in node.ctl("peers"):
        if time.monotonic() > ends:
            sys.exit("the two do not know each other")
        time.sleep(1)
    time.sleep(ALONE_SECONDS)
    node.callgrind("-z")
    time.sleep(ALONE_SECONDS)
    node.callgrind("--dump=alone")
    node.callgrind("-z")
    if route == "query":
        request = urllib.request.Request(node.url, CALL.format("wanted.txt").encode(), {"Content-Type": "text/xml"})
        urllib.request.urlopen(request, timeout=READY_SECONDS).read()
    elif '"done"' not in node.ctl("--timeout", "5m", "fetch", "large.bin"):
        sys.exit("nothing was fetched")
    node.callgrind("--dump=request")
    node.stop()
    holder.stop()
    return (functions(next(home.glob(f"calls.*.{part}"))) for part in (1, 2))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("route", choices=["query", "fetch"])
    parser.add_argument("--programs", type=pathlib.Path, default=pathlib.Path("target/debug"), metavar="DIR")
    arguments = parser.parse_args()
    home = pathlib.Path(tempfile.mkdtemp(prefix="sixhop-routes-"))
    try:
        alone, asked = measure(home, arguments.programs.resolve(), arguments.route)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    files = {file: names - alone[file] for file, names in asked.items() if names - alone[file]}
    crates = collections.Counter(file.partition("/src/")[0] for file in files)
    print(f"{len(files)} files:", ", ".join(f"{crate} {count}" for crate, count in sorted(crates.items())))
    for file, names in sorted(files.items()):
        print(f"  {file}: {len(names)} functions")


if __name__ == "__main__":
    main()
