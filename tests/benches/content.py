#!/usr/bin/env python3
"""How fast a node finds what is in its files, beside ripgrep, and whether it finds the same.

    cargo build --release && python3 tests/benches/content.py CORPUS [--cases N] [--changes N] [--queries N] [--rounds N] [--kills N] [--kill-files N]

CORPUS is a directory of text, such as a copy of the sources of ~/.cargo/registry/src. Needs ripgrep (`rg`; Debian: ripgrep). The node shares CORPUS
as it is; its state is in a directory that is removed at the end. Queries go over one kept control connection; ripgrep is started for each of its
searches, reads files that the system has in memory but those whose names begin with a dot, which a node does not share, and prints to a pipe. Both take
turns, and each figure is the median of the rounds.
"""

import argparse
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import tempfile
import time

import node

# Files that are touched before each kill.
TOUCHED = 2_000
# Most hits of one answer of the node; patterns with more are not compared.
HITS_MAX = 10_000


class Node(node.Node):
    def index(self):
        return self.call("node.status")["index"]

    def wait_until_complete(self):
        while not (index := self.index())["complete"]:
            time.sleep(0.1)
        return index


def rg(corpus, pattern, *options):
    command = ["rg", "--no-config", "--no-ignore", "--no-heading", "--null", "-n", "--column", *options, "-e", pattern, "."]
    done = subprocess.run(command, cwd=corpus, capture_output=True)
    if done.returncode > 1:
        return None
    places = set()
    for line in done.stdout.split(b"\n"):
        path, null, rest = line.partition(b"\0")
        if null:
            number, column, _ = rest.split(b":", 2)
            places.add((path.decode()[2:], int(number), int(column)))
    return places


def ours(answer):
    return {(hit["name"], hit["excerpt"]["line"], hit["excerpt"]["column"]) for hit in answer["hits"]}


def grep_query(pattern):
    quoted = pattern.replace("\\", "\\\\").replace('"', '\\"')
    return f'grep:"{quoted}"'


def timed(work):
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def samples(corpus, rng):
    """Lines of files, without end."""
    files = [path for path in sorted(pathlib.Path(corpus).rglob("*")) if path.is_file()]
    while True:
        lines = rng.choice(files).read_bytes().split(b"\n")
        line = rng.choice(lines).decode("utf-8", "ignore").strip()
        # A program cannot be given a NUL.
        if len(line) >= 8 and "\0" not in line:
            yield line


def patterns(corpus, rng):
    """Patterns of many kinds, from the corpus."""
    for line in samples(corpus, rng):
        words = re.findall(r"[A-Za-z_][A-Za-z0-9_]{3,}", line)
        if not words:
            continue
        word, other = rng.choice(words), rng.choice(words)
        at = rng.randrange(len(word) - 2)
        part = line[: rng.randrange(6, 30)]
        yield rng.choice(
            [
                word,
                rf"\b{word}\b",
                f"(?i){word}",
                f"(?i:{word[:4]}){word[4:]}",
                f"{word}|{other}",
                rf"({word}|{other})\w*\(",
                rf"^\s*{word}",
                rf"{word}\W*$",
                f"^{re.escape(part)}",
                re.escape(line[-rng.randrange(6, 30) :]) + "$",
                f"{word[:at]}[a-z_]{word[at + 1:]}",
                f"{word}.*{other}",
                rf"{word}\s*[=:(]\s*\w+",
                rf"{word[:3]}\w+{word[-2:]}\b",
                rf"\d+_?{word[:4]}",
                f"{word}?s?_",
                rf"[^a-z]{word}[^a-z]{{1,3}}",
                rf"(?:{word}){{1,2}}",
            ]
        )


def indexing(corpus, size, state):
    print("indexing")
    took, (node, during) = timed(lambda: index_and_ask(corpus, state))
    index = node.index()
    print(f"  {index['files']} files, {size / 1e6:.0f} MB of text, {took:.1f} s, {size / 1e6 / took:.0f} MB/s")
    print(f"  index {index['bytes'] / 1e6:.0f} MB, {index['bytes'] / size:.3f} bytes for a byte of text")
    print(f"  resident {node.memory('VmRSS'):.0f} MiB, at most {node.memory('VmHWM'):.0f} MiB")
    print(f"  asked meanwhile (query, files in the index, seconds, hits, end): {during}")
    return node


def index_and_ask(corpus, state):
    node, during = Node(corpus, state), []
    ends = ("text:parse", grep_query("fn parse_expr"))
    next_question = time.monotonic() + 2
    while not (index := node.index())["complete"]:
        if time.monotonic() > next_question and len(during) < 6:
            query = ends[len(during) % 2]
            took, answer = timed(lambda: node.search(query))
            during.append((query, index["files"], round(took, 2), len(answer["hits"]), answer["end"]))
            next_question = time.monotonic() + 4
        time.sleep(0.1)
    return node, during


def compare_speed(node, corpus, rounds, what, cases):
    ratios, own, others = [], [], []
    for query, pattern, options in cases:
        node.search(query), rg_quietly(corpus, pattern, options)
        mine = statistics.median(timed(lambda: node.search(query))[0] for _ in range(rounds))
        other = statistics.median(timed(lambda: rg_quietly(corpus, pattern, options))[0] for _ in range(max(1, rounds // 3)))
        ratios.append(other / mine), own.append(mine), others.append(other)
        print(f"    {query:40.40} {mine * 1000:8.2f} ms   rg {other * 1000:8.0f} ms   {other / mine:7.0f} times")
    print(f"  {what}: {statistics.median(own) * 1000:.2f} ms, rg {statistics.median(others) * 1000:.0f} ms,", end=" ")
    print(f"{statistics.median(others) / statistics.median(own):.0f} times as fast by the medians (least {min(ratios):.0f});", end=" ")
    print(f"99 of 100 within {percentile(own) * 1000:.0f} ms, rg {percentile(others) * 1000:.0f} ms ({len(cases)} cases, load {os.getloadavg()[0]:.0f})")


def percentile(times, part=0.99):
    return sorted(times)[min(len(times) - 1, int(len(times) * part))]


def changes(node, corpus, count):
    """How long after it was written a file is found by a word in it."""
    folder, times = corpus / f"sixhop-bench-{os.getpid()}", []
    folder.mkdir()
    try:
        time.sleep(1)
        for n in range(count):
            word = f"written{os.getpid()}n{n:04}x"
            (folder / f"{n % 20}.txt").write_text(f"a line\nwith {word} in it\n")
            begun = time.perf_counter()
            while not node.search(f"text:{word}")["hits"]:
                if time.perf_counter() - begun > 10:
                    break
                time.sleep(0.002)
            times.append(time.perf_counter() - begun)
            time.sleep(0.05)
    finally:
        shutil.rmtree(folder)
    print(f"a written file is found by a word: {statistics.median(times) * 1000:.0f} ms, 95 of 100 within {percentile(times, 0.95) * 1000:.0f} ms, most {max(times) * 1000:.0f} ms")


def rg_quietly(corpus, pattern, options):
    command = ["rg", "--no-config", "--no-ignore", *(options or ["-n", "--column"]), "-e", pattern, "."]
    subprocess.run(command, cwd=corpus, stdout=subprocess.PIPE, check=False)


def speed(node, corpus, cases, rounds, rng):
    print("speed")
    words = []
    for line in samples(corpus, rng):
        found = re.findall(r"[a-z]{5,}", line)
        if found and (word := rng.choice(found)) not in words:
            words.append(word)
        if len(words) >= cases:
            break
    compare_speed(node, corpus, rounds, "a word, beside rg -l -F", [(f"text:{word}", word, ["-l", "-F"]) for word in words])
    selective = []
    for pattern in patterns(corpus, rng):
        found = rg(corpus, pattern)
        if found and len(found) <= 200 and re.search(r"[\\^$\[(|]", pattern):
            selective.append((grep_query(pattern), pattern, []))
        if len(selective) >= cases:
            break
    compare_speed(node, corpus, rounds, "a selective pattern", selective)


def equality(node, corpus, queries, rng):
    compared, differ, lines, took = 0, 0, 0, []
    for pattern in patterns(corpus, rng):
        if compared == queries:
            break
        expected = rg(corpus, pattern)
        if expected is None or len(expected) > HITS_MAX:
            continue
        seconds, answer = timed(lambda: node.search(grep_query(pattern), HITS_MAX))
        compared += 1
        lines += len(expected)
        took.append(seconds)
        found = ours(answer)
        if found != expected or len(answer["hits"]) != len(expected) or answer["end"] not in ("complete", "limit"):
            differ += 1
            print(f"  differs: {pattern!r}: {len(expected)} by rg, {len(found)} by the node, {answer['end']}")
    print(f"equality: {compared} queries, {lines} lines, {differ} differ; the node took {statistics.median(took) * 1000:.1f} ms (median)")


def kills(corpus, times, files, rng, home):
    share, state = home / "some", home / "killed"
    every = [path for path in sorted(corpus.rglob("*")) if path.is_file()]
    for path in every[:: max(1, len(every) // files)]:
        to = share / path.relative_to(corpus)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    files = [path for path in share.rglob("*") if path.is_file()]
    shared, touched = len(files), 0
    asked = [r"^use std::fmt;$", r"impl\s+Display\s+for", r"(?i)todo!?\("]
    expected = [rg(share, pattern) for pattern in asked]
    wrong = read = during = 0
    for _ in range(times):
        node = Node(share, state)
        for pattern, places in zip(asked, expected):
            answer = node.search(grep_query(pattern), HITS_MAX)
            wrong += ours(answer) != places or answer["end"] != "complete"
        # What is touched is read again; the node is killed in the midst of it.
        for path in rng.sample(files, min(TOUCHED, shared)):
            path.touch()
            touched += 1
        time.sleep(rng.uniform(0.0, 0.6))
        index = node.index()
        read += index["read"]
        during += not index["complete"]
        node.kill()
    node = Node(share, state)
    index = node.wait_until_complete()
    for pattern, places in zip(asked, expected):
        wrong += ours(node.search(grep_query(pattern), HITS_MAX)) != places
    read += index["read"]
    node.stop()
    print(f"kill -9: {times} times, {during} of them while indexing {shared} files; {wrong} wrong answers of {len(asked) * (times + 1)};")
    print(f"  {read} files read in all for {shared} files and {touched} that were touched, {read / (shared + touched):.2f} for each; error {index['error']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=pathlib.Path)
    parser.add_argument("--cases", type=int, default=12)
    parser.add_argument("--changes", type=int, default=100, help="files that are written into a directory of CORPUS, which is removed again")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--kill-files", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=4)
    arguments = parser.parse_args()
    corpus, rng = arguments.corpus.resolve(), random.Random(arguments.seed)
    size = sum(path.stat().st_size for path in corpus.rglob("*") if path.is_file())
    print(subprocess.run(["rg", "--version"], capture_output=True, text=True).stdout.splitlines()[0])
    home = pathlib.Path(tempfile.mkdtemp(prefix="sixhop-content-"))
    try:
        node = indexing(corpus, size, home / "state")
        if arguments.cases:
            speed(node, corpus, arguments.cases, arguments.rounds, rng)
        if arguments.changes:
            changes(node, corpus, arguments.changes)
        if arguments.queries:
            equality(node, corpus, arguments.queries, rng)
        print(f"resident {node.memory('VmRSS'):.0f} MiB, at most {node.memory('VmHWM'):.0f} MiB")
        node.stop()
        if arguments.kills:
            kills(corpus, arguments.kills, arguments.kill_files, rng, home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
