"""Sends each line of a file as a message over a WebSocket, and prints the answer to each as a line.

    python3 web_socket_calls.py CONTROL_ADDRESS SECRET_FILE MESSAGES_FILE

A line that begins with `+` goes as two frames with a ping in between.
"""
import os
import socket
import struct
import sys


def send(stream, kind, data):
    mask = os.urandom(4)
    length = struct.pack("!B", 0x80 | len(data)) if len(data) < 126 else struct.pack("!BH", 0x80 | 126, len(data))
    stream.sendall(bytes([kind]) + length + mask + bytes(b ^ mask[n % 4] for n, b in enumerate(data)))


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
            return data.decode()


def main():
    address, secret_file, messages_file = sys.argv[1:]
    host, port = address.rsplit(":", 1)
    with open(secret_file, encoding="ascii") as file:
        secret = file.read().strip()
    stream = socket.create_connection((host, int(port)), timeout=20)
    head = (
        f"GET / HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Extensions: permessage-deflate\r\nAuthorization: Bearer {secret}\r\n\r\n"
    )
    stream.sendall(head.encode())
    reader = stream.makefile("rb")
    status = reader.readline()
    assert b" 101 " in status, status
    while reader.readline().strip():
        pass
    with open(messages_file, "rb") as file:
        lines = file.readlines()
    for line in lines:
        data = line.rstrip(b"\n")
        if data.startswith(b"+"):
            data = data[1:]
            send(stream, 0x01, data[:7])
            send(stream, 0x89, b"ping")
            send(stream, 0x80, data[7:])
        else:
            send(stream, 0x81, data)
        print(receive(reader), flush=True)


main()
