#!/usr/bin/env python3
"""Whether `ctl grep` finds the lines that ripgrep finds, flags included, and the same ones each time.

    cargo build --release && python3 tests/benches/patterns.py CORPUS [--patterns N] [--runs N] [--seed N]

CORPUS is a directory of text, such as a copy of the sources of ~/.cargo/registry/src. Needs ripgrep (`rg`; Debian: ripgrep). Patterns and flags are
made from lines of the corpus. Each pattern is asked of ripgrep once, and of the node in every run, in another order each time.
"""

import argparse
import json
import pathlib
import random
import re
import shutil
import subprocess
import tempfile

import content
import node

# Most lines of a pattern; those with more are left out.
LINES_MAX = 5_000

FLAGS = [[], ["-i"], ["-S"], ["-w"], ["-x"], ["-F"], ["-F", "-w"], ["-F", "-i"], ["-F", "-x"], ["--crlf"], ["-i", "-w"], ["-g", "*.rs"], ["-g", "!*.rs"]]


def cases(corpus, count, rng):
    """Patterns with their flags and the places that ripgrep finds."""
    made, lines = [], content.samples(corpus, rng)
    for pattern in content.patterns(corpus, rng):
        flags = rng.choice(FLAGS)
        if "-F" in flags or "-x" in flags:
            line = next(lines)
            begin = 0 if "-x" in flags else rng.randrange(max(1, len(line) - 4))
            pattern = line[begin:] if "-x" in flags else line[begin : begin + rng.randrange(4, 40)]
            if "-F" not in flags:
                pattern = r"\s*" + re.escape(pattern)
        if not pattern.strip() or pattern.startswith("-"):
            continue
        found = content.rg(corpus, pattern, *flags)
        if found is not None and len(found) <= LINES_MAX:
            made.append((pattern, flags, found))
        if len(made) == count:
            return made


def ours(program, state, pattern, flags):
    command = [program, "--state", state, "--json", "grep", "--limit", str(2 * LINES_MAX), *flags, "-e", pattern]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 3):
        return f"exit {done.returncode}: {done.stderr.strip() or done.stdout[-200:]}"
    hits = [json.loads(line) for line in done.stdout.splitlines()]
    places = [(hit["name"], hit["excerpt"]["line"], hit["excerpt"]["column"]) for hit in hits if "excerpt" in hit]
    if len(places) != len(set(places)):
        return "a line came twice"
    return set(places)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=pathlib.Path)
    parser.add_argument("--patterns", type=int, default=300)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=19)
    arguments = parser.parse_args()
    corpus, rng = arguments.corpus.resolve(), random.Random(arguments.seed)
    home = pathlib.Path(tempfile.mkdtemp(prefix="sixhop-patterns-"))
    try:
        asked = cases(corpus, arguments.patterns, rng)
        holder = content.Node(corpus, home / "state")
        holder.wait_until_complete()
        wrong = 0
        for run in range(arguments.runs):
            rng.shuffle(asked)
            for pattern, flags, expected in asked:
                found = ours(node.program("ctl"), home / "state", pattern, flags)
                if found != expected:
                    wrong += 1
                    what = found if isinstance(found, str) else f"{len(found)} lines, {sorted(found ^ expected)[:3]}"
                    print(f"run {run}: {flags} {pattern!r}: ripgrep {len(expected)} lines, ctl {what}", flush=True)
        lines = sum(len(expected) for _, _, expected in asked)
        print(f"{len(asked)} patterns, {lines} lines, {arguments.runs} runs: {wrong} answers differ")
        holder.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
