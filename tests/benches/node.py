"""A node of the release build and its control connection, for the measurements in this directory."""

import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def program(name):
    """The path of a program of the release build."""
    path = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / name
    if not path.exists():
        sys.exit(f"{path} is not there: run cargo build --release first")
    return path


class Node:
    """A node that shares a directory, on ports that the system picks."""

    def __init__(self, share, state, *options):
        self.share, self.state = pathlib.Path(share), pathlib.Path(state)
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            [program("noded"), "--share", share, "--state", state, "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        ready = self.process.stdout.readline().split()
        if not ready or ready[0] != "ready":
            sys.exit("the node did not start")
        self.ready_after = time.monotonic() - self.begun
        self.url = ready[1].removeprefix("url=")
        self.control = ready[2].removeprefix("control=")
        self.secret = (self.state / "secret").read_text().strip()
        self.connection = None

    def _connect(self):
        self.connection = http.client.HTTPConnection(self.control, timeout=120)
        self.connection.connect()
        self.connection.sock.setsockopt(6, 1, 1)  # TCP_NODELAY

    def _post(self, body):
        if self.connection is None:
            self._connect()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.secret}"}
        self.connection.request("POST", "/", body, headers)
        return json.loads(self.connection.getresponse().read())

    def call(self, method, **params):
        """Calls a method of the control connection, which is kept."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        try:
            answer = self._post(body)
        except ConnectionError:
            # A connection that nobody uses is closed by the node after a while.
            self.connection = None
            answer = self._post(body)
        if "error" in answer:
            sys.exit(f"{method} {params} failed: {answer['error']}")
        return answer["result"]

    def status(self):
        return self.call("node.status")

    def search(self, query, limit=100, **params):
        return self.call("search.query", query=query, limit=limit, **params)

    def memory(self, field):
        """A field of the process's status, in MiB: VmRSS, VmHWM."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
        return float("nan")

    def stop(self):
        if self.connection:
            self.connection.close()
        self.process.terminate()
        self.process.wait(30)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
