#!/usr/bin/env python3
"""Kills `mal review` with -9 at random moments of a scripted review, and looks whether a step that was answered is ever
lost. Standard library only.

kill.py MAL MASKS IMAGES OUT [ROUNDS]
"""
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

MAL, MASKS, IMAGES, OUT = sys.argv[1:5]
ROUNDS = int(sys.argv[5]) if len(sys.argv) > 5 else 20


def start(masks):
    process = subprocess.Popen(
        [MAL, "review", masks, "--images", IMAGES, "--checkpoint", "tiny", "--quiet"], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if found := re.search(r"http://\S+", line):
            return process, found.group() + "api/"
    sys.exit("the server did not start")


def call(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    masks = shutil.copy(MASKS, OUT + "/masks.json")
    draw = random.Random(16)
    # What the server has answered; where a step was on its way, what it may be too.
    known, maybe = {}, {}
    answered = lost = 0
    for number in range(ROUNDS + 1):
        process, api = start(masks)
        index = call(api + "index")
        keys = [o[0] for o in index["objects"]]
        for key in set(known) | set(maybe):
            found = call(api + "object/" + key)["object"] if key in keys else None
            if found not in [known.get(key)] + maybe.get(key, []):
                lost += 1
                print(f"round {number}: {key} is {found}, expected {known.get(key)}")
            known[key] = found
        maybe = {}
        if number == ROUNDS:
            process.terminate()
            process.wait()
            break
        timer = threading.Timer(draw.uniform(0.02, 1.5), lambda: process.send_signal(signal.SIGKILL))
        timer.start()
        heads, steps = index["heads"], 0
        try:
            while True:
                if draw.random() < 0.2 and heads["undo"]:
                    name = "undo"
                    answer = call(api + name, {"head": heads["undo"]})
                else:
                    key = draw.choice(keys)
                    now = call(api + "object/" + key)["object"]
                    change = {"key": key, "version": now["version"]}
                    change |= draw.choice([
                        {"state": "accepted"}, {"state": "rejected"},
                        {"box": [draw.randint(0, 50), draw.randint(0, 50), draw.randint(1, 99), draw.randint(1, 99)]}])
                    answer = call(api + "step", {"kind": "mask", "changes": [change]})
                heads, steps = answer["heads"], steps + 1
                known |= {o["key"]: o for o in answer["objects"]}
        except (OSError, urllib.error.URLError, ValueError, EOFError):
            pass
        except Exception as error:
            if "IncompleteRead" not in type(error).__name__ and "Disconnected" not in type(error).__name__:
                raise
        timer.join()
        process.wait()
        answered += steps
        # One step may be in the log without its answer: any one object may be one step ahead.
        ahead = start(masks)
        for object in call(ahead[1] + "index")["objects"]:
            found = call(ahead[1] + "object/" + object[0])["object"]
            if found["version"] > max((o["version"] for o in known.values() if o), default=0):
                maybe[object[0]] = [found]
        if len(maybe) > 1:
            lost += 1
            print(f"round {number}: {len(maybe)} objects are ahead")
        ahead[0].send_signal(signal.SIGKILL)
        ahead[0].wait()
        time.sleep(0.05)
    print(f"{ROUNDS} kills, {answered} answered steps, {lost} lost")
    sys.exit(lost > 0)


main()
