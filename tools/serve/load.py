#!/usr/bin/env python3
"""Load on a running `mal serve`: clients with a connection each ask for the masks of boxes of a photograph. Prints
throughput, latencies, statuses and the memory of the server."""
import argparse
import collections
import http.client
import json
import random
import threading
import time
import urllib.parse


def memory(pid):
    if not pid:
        return 0
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--path", required=True, help="photograph below the server's --images")
    parser.add_argument("--size", required=True, help="WIDTHxHEIGHT of it")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--boxes", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--pid", type=int)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    address = urllib.parse.urlparse(options.url)
    left = collections.deque(range(options.requests))
    times, statuses, samples = [], collections.Counter(), []
    lock = threading.Lock()

    def client(number):
        draw = random.Random(number)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=120)
        while True:
            try:
                left.popleft()
            except IndexError:
                return
            boxes = []
            for _ in range(options.boxes):
                side = draw.uniform(0.1, 0.6)
                boxes.append([
                    draw.uniform(0, 1 - side) * width, draw.uniform(0, 1 - side) * height,
                    side * width, side * height])
            body = json.dumps({"image": {"path": options.path}, "boxes": boxes, "polygons": False})
            start = time.perf_counter()
            try:
                connection.request(
                    "POST", "/v1/masks", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            except (OSError, http.client.HTTPException) as error:
                status = type(error).__name__
                connection.close()
            with lock:
                statuses[status] += 1
                if status == 200:
                    times.append(time.perf_counter() - start)

    before = memory(options.pid)
    start = time.perf_counter()
    threads = [threading.Thread(target=client, args=(n,)) for n in range(options.clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(1)
        samples.append(memory(options.pid))
    seconds = time.perf_counter() - start
    times.sort()
    print("statuses", dict(statuses))
    if times:
        print(f"{len(times) / seconds:.2f} requests/s, {len(times) * options.boxes / seconds:.2f} boxes/s")
        print("seconds: " + ", ".join(
            f"p{q} {times[min(len(times) - 1, len(times) * q // 100)]:.2f}" for q in (50, 90, 99))
            + f", most {times[-1]:.2f}")
    quarter = max(1, len(samples) // 4)
    print(f"memory MB: before {before}, first quarter's most {max(samples[:quarter])}, "
          f"last quarter's most {max(samples[-quarter:])}")


main()
