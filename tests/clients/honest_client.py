"""A client that goes on asking, from an address of its own, until its standard input is closed.

    python3 honest_client.py URL NAME CONTENT

Prints the number of good answers, the number of bad ones, the longest wait in milliseconds, and the last error.
"""
import sys
import threading
import time
from http.client import HTTPConnection
from xmlrpc.client import ServerProxy, Transport

SOURCE = ("127.0.0.2", 0)
PATIENCE = 10


class FromElsewhere(Transport):
    def make_connection(self, host):
        return HTTPConnection(host, timeout=PATIENCE, source_address=SOURCE)


def main():
    url, name, content = sys.argv[1:]
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    good, bad, longest, last = 0, 0, 0.0, "none"
    while not ended.is_set() or good + bad == 0:
        start = time.monotonic()
        try:
            with ServerProxy(url, transport=FromElsewhere()) as node:
                assert node.query(name) == content
            good += 1
        except Exception as error:
            bad += 1
            last = repr(error)
        longest = max(longest, time.monotonic() - start)
        if good + bad == 1:
            print("asking", flush=True)
        ended.wait(0.05)
    print(good, bad, int(longest * 1000), last, flush=True)


if __name__ == "__main__":
    main()
