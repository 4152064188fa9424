"""Subscribes to events over WebSocket, causes one, and prints the first that comes.

    python3 follow_events.py CONTROL_ADDRESS SECRET_FILE NODE_URL
"""
import json
import os
import socket
import struct
import sys
from xmlrpc.client import ServerProxy


def send(stream, value):
    data = json.dumps(value).encode()
    mask = os.urandom(4)
    head = struct.pack("!BBH", 0x81, 0x80 | 126, len(data))
    stream.sendall(head + mask + bytes(b ^ mask[n % 4] for n, b in enumerate(data)))


def receive(stream):
    while True:
        kind, length = stream.read(2)
        length &= 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", stream.read(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", stream.read(8))
        data = stream.read(length)
        if kind & 0x0F == 1:
            return json.loads(data)


def main():
    address, secret_file, url = sys.argv[1:]
    host, port = address.rsplit(":", 1)
    with open(secret_file, encoding="ascii") as file:
        secret = file.read().strip()
    stream = socket.create_connection((host, int(port)), timeout=20)
    head = (
        f"GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {secret}\r\n\r\n"
    )
    stream.sendall(head.encode())
    reader = stream.makefile("rb")
    status = reader.readline()
    assert b" 101 " in status, status
    while reader.readline().strip():
        pass
    send(stream, {"jsonrpc": "2.0", "id": 1, "method": "events.subscribe", "params": {}})
    answer = receive(reader)
    assert "result" in answer, answer
    ServerProxy(url).hello("http://127.0.0.1:9/")
    event = receive(reader)
    assert event["method"].startswith("events."), event
    print(json.dumps(event["params"]["result"]))


main()
