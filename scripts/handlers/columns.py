#!/usr/bin/env python3
"""Finds CSV files by the names of their columns: `column:email` and `column:"first name" email`."""
import csv
import json
import sys

ABOUT = {
    "sixhop": 1,
    "id": "csv-columns",
    "version": 1,
    "prefix": "column",
    "description": "CSV files that have all these columns",
    "examples": [
        {"query": "email", "files": {"a.csv": "name,Email\nAnn,a@x\n", "b.csv": "email address;age\n", "c.txt": "email\n"}, "finds": ["a.csv", "b.csv"]},
        {"query": "age name", "files": {"a.csv": "name;AGE\n", "b.csv": "name\n1\n", "c.tsv": "\ufeffage\tname\n"}, "finds": ["a.csv", "c.tsv"]},
    ],
}


class Cancelled(Exception):
    """Nobody wants the rest of the answer."""


def say(**message):
    print(json.dumps(message), flush=True)


def hear():
    line = sys.stdin.readline()
    if not line:
        sys.exit()  # The node has ended.
    return json.loads(line)


def ask(number, kind, **more):
    say(type=kind, id=number, **more)
    answer = hear()
    if answer["type"] == "cancel":
        raise Cancelled
    return answer


def files(number):
    after, more = "", True
    while more:
        page = ask(number, "list", after=after, endings=[".csv", ".tsv"])
        more = page["more"]
        for file in page["files"]:
            after = file["name"]
            yield file


def columns(text):
    head = text.lstrip("\ufeff").split("\n", 1)[0].rstrip("\r")
    delimiter = max(",;\t", key=head.count)
    return head, next(csv.reader([head], delimiter=delimiter), [])


def answer(number, query):
    words = query.lower().split()
    if not words:
        return say(type="error", id=number, problem="say the name of a column", query=True)
    for file in files(number):
        text = ask(number, "read", name=file["name"], most=4096, text=True)["text"] or ""
        head, names = columns(text)
        if all(any(word in name.lower() for name in names) for word in words):
            exact = sum(any(word == name.strip().lower() for name in names) for word in words)
            say(type="hit", id=number, name=file["name"], score=exact / len(words), excerpt={"line": 1, "text": head})
    say(type="done", id=number)


hear()
say(**ABOUT)
while True:
    message = hear()
    if message["type"] == "answer":
        try:
            answer(message["id"], message["text"])
        except Cancelled:
            say(type="done", id=message["id"])
