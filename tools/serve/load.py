#!/usr/bin/env python3
"""Load on `mal serve`: starts it, lets clients with a connection each ask for the masks of a COCO file's boxes, and prints
throughput, latencies, statuses and the server's memory. With --compare, `mal label` does the same boxes in turn with the
server: A B A B, so that both have the same machine.

load.py MAL IMAGES BOXES.json [--clients 32] [--boxes 5] [--requests 2000] [--compare]
"""
import argparse
import collections
import http.client
import json
import os
import re
import subprocess
import tempfile
import threading
import time


def memory(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmRSS"))


def groups(coco, count):
    """Images with `count` of their boxes each, in the file's order; what is left of an image is passed over."""
    own = collections.defaultdict(list)
    for annotation in coco["annotations"]:
        own[annotation["image_id"]].append(annotation)
    for image in coco["images"]:
        boxes = own[image["id"]]
        for start in range(0, len(boxes) - count + 1, count):
            yield image, boxes[start:start + count]


class Server:
    def __init__(self, options):
        self.process = subprocess.Popen(
            [options.mal, "serve", "--listen", "127.0.0.1:0", "--images", options.images, "--checkpoint",
             options.checkpoint] + options.serve, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if found := re.search(r"listening on http://127.0.0.1:(\d+)", line):
                self.port = int(found[1])
                break
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def stop(self):
        self.process.terminate()
        return self.process.wait(90)


def ask(port, work, clients, watch):
    """Latencies of what was answered, statuses, and samples of the memory."""
    work, lock = iter(work), threading.Lock()
    times, statuses, samples = [], collections.Counter(), []

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        while True:
            with lock:
                body = next(work, None)
            if body is None:
                return
            start = time.perf_counter()
            try:
                connection.request("POST", "/v1/masks", body, {"Content-Type": "application/json"})
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

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.5)
        samples.append(memory(watch))
    return sorted(times), statuses, samples


def label(options, coco, work, folder):
    """Seconds that `mal label` takes for the boxes of `work`, without its start: that of no work is taken off."""
    def run(work):
        kept = {image["id"]: image for image, _ in work}
        path = os.path.join(folder, "boxes.json")
        with open(path, "w") as file:
            json.dump({"images": list(kept.values()), "categories": coco["categories"],
                       "annotations": [box for _, boxes in work for box in boxes]}, file)
        start = time.perf_counter()
        subprocess.run([options.mal, "label", options.images, "--boxes", path, "--out", os.path.join(folder, "masks.json"),
                        "--checkpoint", options.checkpoint, "--quiet", "--fresh"], check=True)
        return time.perf_counter() - start
    return run(work) - run(work[:1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mal")
    parser.add_argument("images")
    parser.add_argument("file")
    parser.add_argument("--checkpoint", default="tiny")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--boxes", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=1e9, help="stop asking after this time")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--serve", nargs=argparse.REMAINDER, default=[], help="options for mal serve")
    options = parser.parse_args()
    with open(options.file) as file:
        coco = json.load(file)
    work = list(groups(coco, options.boxes))
    bodies = [json.dumps({"image": {"path": image["file_name"]}, "boxes": [box["bbox"] for box in boxes], "polygons": False})
              for image, boxes in work]
    server = Server(options)
    try:
        ask(server.port, bodies[:options.clients], options.clients, server.process.pid)
        if options.compare:
            work = work[:options.requests]
            boxes = len(work) * options.boxes
            ratios = []
            for turn in range(3):
                with tempfile.TemporaryDirectory() as folder:
                    alone = label(options, coco, work, folder)
                start = time.perf_counter()
                _, statuses, _ = ask(server.port, bodies[:len(work)], options.clients, server.process.pid)
                served = time.perf_counter() - start
                ratios.append(alone / served)
                print(f"turn {turn + 1}: label {boxes / alone:.2f} boxes/s, serve {boxes / served:.2f} boxes/s, "
                      f"ratio {ratios[-1]:.2f}, statuses {dict(statuses)}", flush=True)
            print(f"median ratio {sorted(ratios)[1]:.2f}")
            return

        def endless():
            end = time.monotonic() + options.seconds
            for place in range(options.requests):
                if time.monotonic() > end:
                    return
                yield bodies[place % len(bodies)]

        before = memory(server.process.pid)
        start = time.perf_counter()
        times, statuses, samples = ask(server.port, endless(), options.clients, server.process.pid)
        seconds = time.perf_counter() - start
        print("statuses", dict(statuses))
        print(f"{len(times)} answers in {seconds:.0f} s: {len(times) / seconds:.2f} requests/s, "
              f"{len(times) * options.boxes / seconds:.2f} boxes/s")
        print("seconds: " + ", ".join(
            f"p{q} {times[min(len(times) - 1, len(times) * q // 100)]:.2f}" for q in (50, 90, 99)) + f", most {times[-1]:.2f}")
        quarter = max(1, len(samples) // 4)
        print("memory MB: before " + f"{before}, most of each quarter "
              + ", ".join(str(max(samples[q * quarter:(q + 1) * quarter] or [0])) for q in range(4)))
    finally:
        print("exit code of the server", server.stop())


main()
