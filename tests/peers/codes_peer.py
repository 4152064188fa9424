"""A peer that answers with codes: 1 and the data, or 2 and nothing.

    python3 codes_peer.py URL DIRECTORY SECRET

Port 0 in the URL takes a free port. The real URL is printed when the peer listens.
"""
import os
import sys
from urllib.parse import urlsplit
from xmlrpc.client import ServerProxy
from xmlrpc.server import SimpleXMLRPCServer

LONGEST_HISTORY = 6
DONE, FAILED = 1, 2


class Peer:
    def __init__(self, directory, secret):
        self.url = None
        self.directory = directory
        self.secret = secret
        self.peers = set()

    def hello(self, url):
        self.peers.add(url)
        return DONE

    def query(self, name, history=()):
        path = os.path.join(self.directory, name)
        if os.path.isfile(path):
            with open(path, newline="", encoding="utf-8") as file:
                return DONE, file.read()
        history = [*history, self.url]
        if len(history) >= LONGEST_HISTORY:
            return FAILED, ""
        return self._ask_others(name, history)

    def fetch(self, name, secret):
        if secret != self.secret:
            return FAILED
        code, data = self.query(name)
        if code == DONE:
            with open(os.path.join(self.directory, name), "w", newline="", encoding="utf-8") as file:
                file.write(data)
        return code

    def _ask_others(self, name, history):
        for url in sorted(self.peers):
            if url in history:
                continue
            try:
                with ServerProxy(url) as other:
                    code, data = other.query(name, history)
            except Exception:
                # Whatever went wrong, this peer does not ask that one again.
                self.peers.discard(url)
                continue
            if code == DONE:
                return code, data
        return FAILED, ""


def main():
    url, directory, secret = sys.argv[1:]
    peer = Peer(directory, secret)
    server = SimpleXMLRPCServer(("127.0.0.1", urlsplit(url).port), logRequests=False)
    server.register_instance(peer)
    peer.url = "http://127.0.0.1:%d" % server.server_address[1]
    print(peer.url, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
