#!/usr/bin/env python3
"""How fast a node knows its share: a million files, and storms of changes.

    cargo build --release && python3 tests/benches/catalogue.py [--files N] [--storms N] [--dir DIR] [--only scan,storms] [--hash]

Compares the first scan with fd (Debian: fd-find) if it is there, and with find. Everything runs in a directory that is removed at the end; by default
on the RAM disk /dev/shm. The control connection is kept; queries are timed from the request to the whole answer. With --hash it waits until all
files have their digests and are indexed, and measures again.
"""

import argparse
import itertools
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import tempfile
import time

import node

SYLLABLES = ["ka", "lo", "mi", "re", "su", "ta", "no", "vi", "per", "dan", "gol", "zim", "bra", "che", "fur", "hex"]


class Node(node.Node):
    def names(self):
        """All names, sizes too, as the node lists them."""
        files, after = {}, None
        while True:
            page = self.call("share.list", limit=10000, **({"after": after} if after else {}))
            files.update((file["name"], file["size"]) for file in page["files"])
            after = page["next"]
            if after is None:
                return files

    def found(self, query, limit=100):
        return [hit["name"] for hit in self.search(query, limit)["hits"]]


def wait(what, seconds, pause=0.01):
    """Seconds until `what` holds."""
    begun = time.monotonic()
    while not what():
        if time.monotonic() - begun > seconds:
            return None
        time.sleep(pause)
    return time.monotonic() - begun


def walk(share):
    files = {}
    for directory, _, names in os.walk(share):
        below = os.path.relpath(directory, share)
        for name in names:
            path = name if below == "." else f"{below}/{name}"
            files[path] = os.lstat(os.path.join(directory, name)).st_size
    return files


def words(count, chance):
    made = set()
    while len(made) < count:
        made.add("".join(chance.choice(SYLLABLES) for _ in range(chance.randint(2, 4))))
    return sorted(made)


def unlike(number):
    """A word of five syllables, another one for each of a million numbers."""
    scattered = number * 7919 % 16**5
    return "".join(SYLLABLES[scattered >> bits & 15] for bits in (16, 12, 8, 4, 0))


def fill(share, count, vocabulary, chance, distinct):
    """Files in a thousand directories, with three words and a number in each name, and a word that no other name has if wanted."""
    per_directory = max(1, count // 1000)
    made = 0
    while made < count:
        directory = share / f"{chance.choice(vocabulary)}-{made // per_directory:04}"
        directory.mkdir(exist_ok=True)
        handle = os.open(directory, os.O_DIRECTORY)
        for _ in range(min(per_directory, count - made)):
            own = f" {unlike(made)}" if distinct else ""
            name = f"{chance.choice(vocabulary)}_{chance.choice(vocabulary)} {chance.choice(vocabulary)}{own}-{made:07}.{chance.choice(['txt', 'JPG', 'pdf', 'md'])}"
            os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=handle))
            made += 1
        os.close(handle)


def misspelt(word, chance):
    at = chance.randrange(1, len(word) - 1)
    return chance.choice([word[:at] + "q" + word[at + 1 :], word[:at] + word[at + 1 :], word[:at] + "q" + word[at:]])


def seconds(*command):
    begun = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def timed(node, queries):
    times, empty = [], 0
    for query in queries:
        begun = time.monotonic()
        empty += not node.found(query)
        times.append((time.monotonic() - begun) * 1000)
    times.sort()
    return f"p50 {statistics.median(times):.1f} ms, p95 {times[int(len(times) * 0.95)]:.1f} ms, most {times[-1]:.1f} ms ({len(times)} queries, {empty} without hits)"


def scan(home, count, wait_for_digests, distinct):
    chance = random.Random(7)
    share, state = home / "share", home / "state"
    share.mkdir()
    vocabulary = words(3000, chance)
    print(f"filling the share with {count} files", flush=True)
    fill(share, count, vocabulary, chance, distinct)
    others = {"find": ["find", share, "-type", "f"]}
    if fd := shutil.which("fdfind") or shutil.which("fd"):
        others["fd"] = [fd, "--unrestricted", "--type", "f", ".", share]
    for name, command in others.items():
        print(f"{name}: {statistics.median(seconds(*command) for _ in range(3)):.2f} s (median of 3, warm)", flush=True)
    node = Node(share, state)
    wait(lambda: node.status()["files"] == count, 300)
    print(f"first scan: {time.monotonic() - node.begun:.2f} s to all files, ready line after {node.ready_after:.2f} s")
    print(f"resident after the scan: {node.memory('VmRSS'):.0f} MiB, most {node.memory('VmHWM'):.0f} MiB", flush=True)
    figures(node, vocabulary, chance)
    if wait_for_digests:
        took = wait(lambda: node.status()["counters"]["files_hashed"] >= count, 3600, 1)
        wait(lambda: node.status()["index"]["complete"], 600, 0.2)
        print(f"all digests after {took and took:.0f} s more; resident {node.memory('VmRSS'):.0f} MiB, most {node.memory('VmHWM'):.0f} MiB", flush=True)
        figures(node, vocabulary, chance)
        print(f"resident {node.memory('VmRSS'):.0f} MiB, most {node.memory('VmHWM'):.0f} MiB", flush=True)
    changes(node, share, chance)
    wait(lambda: node.status()["files"] == count, 10)
    node.stop()
    late = next(share.iterdir()) / "made while the node was away.txt"
    late.touch()
    for _ in range(3):
        node = Node(share, state)
        ready = node.ready_after
        answer = node.search("made while away", 100)
        right = [hit["name"] for hit in answer["hits"]] == [str(late.relative_to(share))]
        said = "right" if right else "WRONG" if answer["end"] == "complete" else f"{answer['end']}, as it says,"
        print(f"warm start: ready after {ready:.2f} s, answers {said} after {time.monotonic() - node.begun:.2f} s; resident {node.memory('VmRSS'):.0f} MiB", flush=True)
        time.sleep(3)
        node.stop()


def figures(node, vocabulary, chance):
    chosen = [chance.choice(vocabulary) for _ in range(300)]
    print("name: word        ", timed(node, chosen))
    print("name: two words   ", timed(node, [f"{a} {b}" for a, b in zip(chosen, chosen[1:])][:200]))
    print("name: no such word", timed(node, ["qqqq" + word[:2] for word in chosen[:100]]))
    print("name: glob        ", timed(node, [f"*{word}*.pdf" for word in chosen[:200]]))
    long = [word for word in vocabulary if len(word) >= 6]
    known = set(vocabulary)
    wrong = [misspelt(chance.choice(long), chance) for _ in range(400)]
    wrong = [word for word in wrong if not any(word in other for other in known)][:200]
    print("name: misspelt    ", timed(node, wrong), flush=True)


def changes(node, share, chance):
    directories = [path for path in share.iterdir() if path.is_dir()]
    times = []
    time.sleep(2)
    for n in range(200):
        path = chance.choice(directories) / f"xylophone{n:04} new.txt"
        path.write_text("x")
        took = wait(lambda: node.found(f"xylophone{n:04}"), 10, 0.002)
        times.append(float("inf") if took is None else took * 1000)
        path.unlink()
        wait(lambda: not node.found(f"xylophone{n:04}"), 10, 0.002)
    times.sort()
    print(f"a new file is found: p50 {statistics.median(times):.0f} ms, p95 {times[189]:.0f} ms, most {times[-1]:.0f} ms (200 files)", flush=True)


def storm_of_files(share, n):
    home = share / f"storm-{n}"
    home.mkdir()
    for number in range(20_000):
        (home / f"{number:05}.txt").touch()


def storm_of_directories(share, n):
    for number in range(50):
        directory = share / f"nest-{n}-{number}"
        for _ in range(10):
            directory.mkdir()
            (directory / "file.txt").write_text("x")
            directory /= "deeper"


def storm_of_renames(share, n):
    files = [path for path in sorted(share.rglob("*.txt"))[:1000]]
    for path in files:
        path.rename(path.with_name(f"renamed-{n}-{path.name}"))


def swap_of_the_root(share, n):
    other = share.with_name(f"other-{n}")
    other.mkdir()
    for number in range(100):
        (other / f"swapped-{n}-{number}.txt").write_text("x" * n)
    share.rename(share.with_name(f"old-{n}"))
    other.rename(share)
    (share / "after.txt").touch()


def storms(home, rounds):
    share = home / "stormy"
    share.mkdir()
    node = Node(share, home / "stormy-state")
    kinds = [storm_of_files, storm_of_directories, storm_of_renames, swap_of_the_root]
    results = {kind.__name__: [] for kind in kinds}
    for n, kind in zip(range(rounds), itertools.cycle(kinds)):
        kind(share, n)
        ended = time.monotonic()
        expected = walk(share)
        took = None
        while time.monotonic() - ended < 30:
            if node.status()["files"] == len(expected) and node.names() == expected:
                took = time.monotonic() - ended
                break
            time.sleep(0.05)
        results[kind.__name__].append(took)
    for name, times in results.items():
        right = [took for took in times if took is not None and took <= 5]
        print(f"{name}: {len(right)} of {len(times)} within 5 s; longest {max((took for took in times if took), default=float('nan')):.2f} s", flush=True)
    node.stop()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--files", type=int, default=1_000_000)
    options.add_argument("--storms", type=int, default=100)
    options.add_argument("--dir", default="/dev/shm" if os.path.isdir("/dev/shm") else None)
    options.add_argument("--only", default="scan,storms")
    options.add_argument("--hash", action="store_true")
    options.add_argument("--distinct", action="store_true", help="a million different words instead of 3,000")
    chosen = options.parse_args()
    home = pathlib.Path(tempfile.mkdtemp(prefix="sixhop-catalogue-", dir=chosen.dir))
    try:
        if "scan" in chosen.only:
            scan(home, chosen.files, chosen.hash, chosen.distinct)
        if "storms" in chosen.only:
            storms(home, chosen.storms)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
