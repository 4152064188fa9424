"""Holds connections from several addresses of the loopback: crowd.py HOST PORT FIRST SOURCES EACH BUFFER

Reads the request as one line of base64 from standard input, sends it on EACH connections from each of SOURCES addresses
127.0.0.FIRST and on, says how many there are, and holds them without reading until its standard input ends.
"""

import base64
import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
first, sources, each, buffer = map(int, sys.argv[3:7])
request = base64.b64decode(sys.stdin.readline())
held = []
for n in range(each):
    for source in range(first, first + sources):
        connection = socket.socket()
        connection.settimeout(5)
        if buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        try:
            connection.bind((f"127.0.0.{source}", 0))
            connection.connect((host, port))
            connection.sendall(request)
        except OSError:
            continue
        held.append(connection)
print(len(held), flush=True)
sys.stdin.read()
