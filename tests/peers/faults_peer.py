"""A peer that answers with values, and with the faults 100 (not found) and 200 (access denied).

    python3 faults_peer.py URL DIRECTORY SECRET

Port 0 in the URL takes a free port. The real URL is printed when the peer listens.
"""
import os
import sys
from urllib.parse import urlsplit
from xmlrpc.client import Fault, ServerProxy
from xmlrpc.server import SimpleXMLRPCServer

LONGEST_HISTORY = 6
NOT_FOUND, DENIED = 100, 200


class Server(SimpleXMLRPCServer):
    allow_reuse_address = True


class Peer:
    def __init__(self, directory, secret):
        self.url = None
        self.directory = os.path.abspath(directory)
        self.secret = secret
        self.peers = set()

    def hello(self, url):
        self.peers.add(url)
        return 0

    def query(self, name, history=()):
        try:
            return self._own(name)
        except Fault as fault:
            if fault.faultCode != NOT_FOUND:
                raise
        history = [*history, self.url]
        if len(history) >= LONGEST_HISTORY:
            raise Fault(NOT_FOUND, "no such file, and far enough")
        return self._ask_others(name, history)

    def fetch(self, name, secret):
        if secret != self.secret:
            raise Fault(DENIED, "not your peer")
        data = self.query(name)
        with open(os.path.join(self.directory, name), "w", newline="", encoding="utf-8") as file:
            file.write(data)
        return 0

    def _own(self, name):
        path = os.path.abspath(os.path.join(self.directory, name))
        if not os.path.isfile(path):
            raise Fault(NOT_FOUND, "no such file")
        if not path.startswith(os.path.join(self.directory, "")):
            raise Fault(DENIED, "outside of the directory")
        with open(path, newline="", encoding="utf-8") as file:
            return file.read()

    def _ask_others(self, name, history):
        for url in sorted(self.peers):
            if url in history:
                continue
            try:
                with ServerProxy(url) as other:
                    return other.query(name, history)
            except Fault as fault:
                if fault.faultCode != NOT_FOUND:
                    self.peers.discard(url)
            except Exception:
                # Whatever went wrong, this peer does not ask that one again.
                self.peers.discard(url)
        raise Fault(NOT_FOUND, "nobody has it")


def main():
    url, directory, secret = sys.argv[1:]
    peer = Peer(directory, secret)
    server = Server(("127.0.0.1", urlsplit(url).port), logRequests=False)
    server.register_instance(peer)
    peer.url = "http://127.0.0.1:%d" % server.server_address[1]
    print(peer.url, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
