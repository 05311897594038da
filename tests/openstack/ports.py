"""Prints ports of loopback that are free, one for each server, as assignments of a shell.

They lie below the range of outgoing connections: in it, a client that keeps trying while its server is down can connect
to itself."""
import random
import socket

taken = set()
for name in ("KEYSTONE", "NEUTRON", "OCTAVIA", "TROVE", "DB"):
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in taken:
            break
    taken.add(port)
    print(f"PORT_{name}={port}")
