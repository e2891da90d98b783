#!/usr/bin/env python3
"""Large bodies to a running `mal serve`, alone and many at once: what came back, and the server's memory in MiB.

bombs.py PORT PID
"""
import collections
import http.client
import sys
import threading
import time

port, pid = int(sys.argv[1]), int(sys.argv[2])
SIZE = 64 << 20


def memory(key):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith(key))


def send(body, statuses):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=200)
    try:
        connection.request("POST", "/v1/masks", body, {"Content-Type": "application/json"})
        statuses[connection.getresponse().status] += 1
    except OSError as error:
        statuses[type(error).__name__] += 1


def run(name, body, count):
    statuses = collections.Counter()
    clients = [threading.Thread(target=send, args=(body, statuses)) for _ in range(count)]
    before, start = memory("VmRSS"), time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    print(f"{name}, {count} at once: {dict(statuses)}, {time.monotonic() - start:.1f} s, memory {before} before, "
          f"{memory('VmHWM')} at most", flush=True)


def full(unit):
    return b'{"a":[' + unit * ((SIZE - 32) // len(unit)) + b"0]}"


for unit in (b"[],", b"{},", b'"",', b"0,", b'{"a":0},'):
    run(f"64 MiB of {unit.decode()}", full(unit), 1)
run("64 MiB of [],", full(b"[],"), 30)
run("45 MiB of base64", b'{"image":{"base64":"' + b"A" * (45 << 20) + b'"},"boxes":[[1,1,9,9]]}', 64)
