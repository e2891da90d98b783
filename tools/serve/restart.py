#!/usr/bin/env python3
"""Kills `mal serve` under load and starts it again: first with -9, then with SIGTERM. -9 may lose what is in flight. SIGTERM
may lose only what the server has not read: requests sent less than a second before it. Every answer must be that of a quiet
server.

restart.py MAL IMAGES BOXES.json [KILLS] [CLIENTS]
"""
import collections
import http.client
import json
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time


def start(mal, images, port):
    process = subprocess.Popen(
        [mal, "serve", "--listen", f"127.0.0.1:{port}", "--images", images, "--checkpoint", "tiny"],
        stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if re.search("listening on", line):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process
    sys.exit("the server did not start")


def ask(port, body):
    """Status and answer, or how it failed: refused before anything was sent, or lost."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.connect()
    except OSError:
        return "refused", None
    try:
        connection.request("POST", "/v1/masks", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return "lost", None
    finally:
        connection.close()


def main():
    mal, images, boxes = sys.argv[1:4]
    kills = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    clients = int(sys.argv[5]) if len(sys.argv) > 5 else 16
    with open(boxes) as file:
        coco = json.load(file)
    bodies = []
    for image in coco["images"][:20]:
        own = [a["bbox"] for a in coco["annotations"] if a["image_id"] == image["id"]][:5]
        bodies.append(json.dumps({"image": {"path": image["file_name"]}, "boxes": own, "polygons": False}))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    draw = random.Random(16)
    faults = 0
    server = start(mal, images, port)
    expected = [ask(port, body)[1] for body in bodies]
    for name, sent in [("kill -9", signal.SIGKILL), ("SIGTERM", signal.SIGTERM)]:
        counts, flying, lost = collections.Counter(), {}, []
        lock, done = threading.Lock(), threading.Event()

        def client(number):
            own = random.Random(number)
            while not done.is_set():
                place = own.randrange(len(bodies))
                with lock:
                    flying[number] = time.monotonic()
                status, answer = ask(port, bodies[place])
                with lock:
                    begun = flying.pop(number)
                    counts[status if status != 200 or answer == expected[place] else "another answer"] += 1
                    if status == "lost":
                        lost.append((begun, time.monotonic()))
                if status == "refused":
                    time.sleep(0.05)

        threads = [threading.Thread(target=client, args=(n,)) for n in range(clients)]
        for thread in threads:
            thread.start()
        moments, codes = [], collections.Counter()
        for _ in range(kills):
            time.sleep(draw.uniform(2, 5))
            moment = time.monotonic()
            server.send_signal(sent)
            codes[server.wait(90)] += 1
            # Until it has ended, clients reach its socket.
            moments.append((moment, time.monotonic()))
            server = start(mal, images, port)
        time.sleep(3)
        done.set()
        for thread in threads:
            thread.join()
        early = 1 if sent == signal.SIGTERM else 1000
        other = sum(not any(moment - early < begun <= gone and moment <= end for moment, gone in moments)
                    for begun, end in lost)
        print(f"{name}, {kills} times, {clients} clients: {dict(counts)}, exit codes {dict(codes)}; "
              f"lost without a reason: {other}")
        faults += other + sum(n for s, n in counts.items() if s not in (200, "refused", "lost"))
    print(f"faults: {faults}; SIGTERM ends with", server.send_signal(signal.SIGTERM) or server.wait(90))
    sys.exit(faults > 0)


main()
