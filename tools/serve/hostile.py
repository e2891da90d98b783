#!/usr/bin/env python3
"""Hostile requests to a running `mal serve`: what is no HTTP, cut bodies, bombs, wrong types, odd paths, bodies that nobody
reads. Counts what came back; a fault is a status of 500, or a server that does not answer /health afterwards.

hostile.py URL [COUNT]
"""
import base64
import collections
import json
import random
import socket
import struct
import sys
import urllib.parse
import zlib


def png(width, height, rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(b"\0" * rows)) + chunk(b"IEND", b""))


GOOD = png(40, 30, 30 * 41)
BOMB = png(60000, 60000, 1000)
HOLLOW = png(4000, 4000, 100)


def http(draw, body, path="/v1/masks", method="POST", kind="application/json", length=None):
    fields = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {kind}", "Connection: close",
              f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join(fields).encode() + b"\r\n\r\n" + body


def value(draw, depth=0):
    kinds = ["null", "true", "num", "huge", "text", "list", "object"]
    kind = draw.choice(kinds if depth < 4 else kinds[:5])
    if kind == "null":
        return None
    if kind == "true":
        return draw.random() < 0.5
    if kind == "num":
        return draw.choice([0, -1, 1.5, 1e300, -1e300, 2**63, -2**63, 5e-324])
    if kind == "huge":
        return "A" * draw.choice([1, 1000, 100000])
    if kind == "text":
        return draw.choice(["", "\0", "../../etc/passwd", "é\u202e", "data:,x", "////"])
    if kind == "list":
        return [value(draw, depth + 1) for _ in range(draw.randint(0, 4))]
    return {draw.choice(["box", "id", "path", "base64", "x"]): value(draw, depth + 1) for _ in range(draw.randint(0, 3))}


def image(draw):
    data = bytearray(draw.choice([GOOD, GOOD, BOMB, HOLLOW]))
    for _ in range(draw.randint(0, 6)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    if draw.random() < 0.4:
        data = data[:draw.randrange(len(data))]
    return {"base64": base64.b64encode(bytes(data)).decode()}


def request(draw):
    """The name of what is sent, its bytes, and whether the client goes before the answer."""
    kind = draw.choice(["noise", "head", "types", "image", "cut", "multipart", "paths", "deep", "tools", "chunks", "long", "wide", "unread"])
    if kind == "noise":
        return kind, bytes(draw.randrange(256) for _ in range(draw.randint(1, 400))), False
    if kind == "head":
        data = bytearray(http(draw, b"{}"))
        for _ in range(draw.randint(1, 8)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        return kind, bytes(data), False
    if kind == "types":
        body = {"image": value(draw), "boxes": value(draw), "polygons": value(draw), "tolerance": value(draw)}
        return kind, http(draw, json.dumps(body).encode()), False
    if kind == "image":
        boxes = [[draw.uniform(-50, 50) for _ in range(4)] for _ in range(draw.randint(0, 3))]
        return kind, http(draw, json.dumps({"image": image(draw), "boxes": boxes}).encode()), draw.random() < 0.2
    if kind == "cut":
        body = json.dumps({"image": image(draw), "boxes": [[1, 1, 9, 9]]}).encode()
        return kind, http(draw, body[:draw.randrange(len(body))], length=len(body)), True
    if kind == "multipart":
        body = bytearray(b'--b\r\nContent-Disposition: form-data; name="image"\r\n\r\n' + GOOD
                         + b'\r\n--b\r\nContent-Disposition: form-data; name="boxes"\r\n\r\n[[1,1,9,9]]\r\n--b--\r\n')
        for _ in range(draw.randint(0, 10)):
            body[draw.randrange(len(body))] = draw.randrange(256)
        boundary = draw.choice(["b", "b", "", "x" * 100, '"b"'])
        return kind, http(draw, bytes(body[:draw.randint(1, len(body))]), kind=f"multipart/form-data; boundary={boundary}"), False
    if kind == "paths":
        path = draw.choice(["/%00", "/../../etc/passwd", "//", "/v1/masks/..", "/v1/masks?" + "a=b&" * 500, "/" + "x" * 5000, "*", "/r/x/"])
        return kind, http(draw, b"", path=path, method=draw.choice(["GET", "POST", "PUT", "TRACE", "CONNECT", "X" * 50])), False
    if kind == "deep":
        text = draw.choice(["[", '{"a":', "[{\"a\":"]) * draw.choice([65, 1000, 100000])
        return kind, http(draw, text.encode()), False
    if kind == "tools":
        path = draw.choice(["/predict", "/cvat", "/setup", "/webhook"])
        body = {"tasks": value(draw), "label_config": value(draw), "params": value(draw), "image": value(draw), "obj_bbox": value(draw)}
        return kind, http(draw, json.dumps(body).encode(), path=path), False
    if kind == "chunks":
        head = b"POST /v1/masks HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        size = draw.choice([b"5", b"zz", b"FFFFFFFFFFFFFFFFFF", b"-1", b""])
        return kind, head + size + b"\r\n{}\r\n0\r\n\r\n", draw.random() < 0.5
    if kind == "wide":
        part = draw.choice(["{},", "[],", '"",', "0,", '{"a":{"a":0}},', '"' + "x" * 16 + '",', "[[[[0]]]],"])
        return kind, http(draw, f'{{"image": [{part * draw.choice([10, 10000, 500000])}0]}}'.encode()), False
    if kind == "unread":
        path = draw.choice(["/health", "/nothing", "/setup", "/openapi.json", "/metrics"])
        return kind, http(draw, b"x" * draw.choice([0, 1000, 1000000]), path=path, method="GET", length=2000000), draw.random() < 0.3
    return kind, http(draw, b"{}", length=draw.choice([10**12, -1, "x", 2**64])), True


def send(address, data, leaves):
    with socket.create_connection(address, timeout=20) as connection:
        try:
            connection.sendall(data)
            if leaves:
                return "left"
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        except ConnectionError:
            return "closed"
        except TimeoutError:
            return "no answer in 20 s"
    answer = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    words = answer.split(b" ", 2)
    return words[1].decode() if len(words) > 2 else "closed"


def main():
    address = urllib.parse.urlparse(sys.argv[1])
    address = (address.hostname, address.port)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
    draw = random.Random(16)
    table = collections.defaultdict(collections.Counter)
    for _ in range(count):
        kind, data, leaves = request(draw)
        table[kind][send(address, data, leaves)] += 1
    for kind, statuses in sorted(table.items()):
        print(f"{kind:10} {sum(statuses.values()):6}  " + ", ".join(f"{s}: {n}" for s, n in sorted(statuses.items())))
    health = send(address, http(draw, b"", path="/health", method="GET"), False)
    faults = sum(s["500"] + s["no answer in 20 s"] for s in table.values()) + (health != "200")
    print(f"faults: {faults} of {count}; /health afterwards: {health}")
    sys.exit(faults > 0)


main()
