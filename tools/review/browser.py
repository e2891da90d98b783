#!/usr/bin/env python3
"""Reviews masks in a real browser (Chromium by selenium) with `mal review`: accepts, redraws a box, uses every tool,
paints strokes and compares canvas, server and export pixel by pixel, kills the server, comes back, saves.

browser.py MAL MASKS IMAGES OUT [STROKES]      OUT gets masks, screenshots and the reviewed file
    pip install selenium numpy pycocotools; apt install chromium chromium-driver
"""
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import numpy as np
from pycocotools import mask as coco_mask
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

MAL, MASKS, IMAGES, OUT = sys.argv[1:5]


class Server:
    def __init__(self, masks):
        self.process = subprocess.Popen(
            [MAL, "review", masks, "--images", IMAGES, "--checkpoint", "tiny", "--quiet", "--by", "browser"],
            stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if found := re.search(r"http://\S+", line):
                self.url = found.group()
                return
            print(line, end="")
        sys.exit("the server did not start")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        return self.process.wait(30)


class Page:
    def __init__(self, driver):
        self.driver = driver

    def open(self, url):
        self.driver.get(url)
        self.settle("reviewed")

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def text(self, name):
        return self.driver.find_element(By.ID, name).text

    def settle(self, word=None, seconds=60):
        """Until what the page shows has not changed for 0.3 s, and holds a word."""
        before, since, start = None, time.time(), time.time()
        while time.time() - start < seconds:
            now = (self.text("progress"), self.text("facts"), self.text("note"))
            if now != before:
                before, since = now, time.time()
            waits = now[2].startswith("The network") or word and word not in now[0]
            if not waits and time.time() - since > 0.3:
                return
            time.sleep(0.03)
        sys.exit(f"the page did not settle: {before}")

    def key(self, key):
        self.driver.find_element(By.ID, "mask").send_keys(key)

    def get(self, path):
        return self.driver.execute_async_script(
            "const done = arguments[1]; fetch('api/' + arguments[0]).then((a) => a.json()).then(done)", path)

    def current(self):
        key = self.text("facts").split(" ")[0]
        return self.get("object/" + key)

    def mask(self):
        found = self.current()
        return decode(found)

    def mask_of(self, key, server):
        """As the server has it, not asked through the browser."""
        with urllib.request.urlopen(server.url + "api/object/" + key) as answer:
            return decode(json.load(answer))

    def fitted(self):
        """Scale, left and top that the view has after 0 (zoom to the box)."""
        self.key("0")
        time.sleep(0.3)
        box = self.current()["object"]["box"]
        width, height = self.run("const c = document.getElementById('mask'); return [c.width, c.height]")
        scale = min(width / (box[2] * 1.4), height / (box[3] * 1.4), 16)
        if scale > 2:
            scale = int(scale)
        left = box[0] + box[2] / 2 - width / scale / 2
        top = box[1] + box[3] / 2 - height / scale / 2
        if scale >= 1:
            left, top = np.floor(left + 0.5), np.floor(top + 0.5)
        return scale, left, top, width, height

    def canvas(self):
        """What the overlay shows of each whole pixel of the image in sight, with its place. Scale above 2 only."""
        scale, left, top, width, height = self.fitted()
        pixels = np.array(self.run(
            """const c = document.getElementById('mask'); const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            const [scale, columns, rows] = arguments; const out = [];
            for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) {
              let is = 0;
              for (const [dx, dy] of [[.25, .25], [.75, .25], [.25, .75], [.75, .75], [.5, .5]]) {
                const p = 4 * (Math.floor((y + dy) * scale) * c.width + Math.floor((x + dx) * scale));
                if (d[p + 3] > 0 && d[p + 1] < 100) is = 1;
              }
              out.push(is);
            } return out""", scale, int(width // scale), int(height // scale)), dtype=bool)
        return pixels.reshape(int(height // scale), int(width // scale)), int(left), int(top)

    def drag(self, points, ratio=1.0):
        """Canvas pixels, from the canvas's upper left corner."""
        frame = self.run("const r = document.getElementById('mask').getBoundingClientRect(); return [r.left, r.top]")
        builder = ActionBuilder(self.driver, duration=5)
        pointer = builder.pointer_action
        at = [(round(frame[0] + x / ratio), round(frame[1] + y / ratio)) for x, y in points]
        pointer.move_to_location(*at[0])
        pointer.pointer_down()
        for place in at[1:]:
            pointer.move_to_location(*place)
        pointer.pointer_up()
        builder.perform()


def chromium():
    options = webdriver.ChromeOptions()
    for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,900"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def decode(found):
    size, counts = found["size"], found["object"]["counts"]
    if not counts:
        return np.zeros((size["height"], size["width"]), dtype=bool)
    return coco_mask.decode({"size": [size["height"], size["width"]], "counts": counts}).astype(bool)


def check(what, holds):
    print(("ok    " if holds else "WRONG ") + what)
    check.failed |= not holds


check.failed = False


def main():
    strokes = int(sys.argv[5]) if len(sys.argv) > 5 else 200
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    masks = shutil.copy(MASKS, OUT + "/masks.json")
    driver = chromium()
    server = Server(masks)
    page = Page(driver)
    try:
        start = time.time()
        page.open(server.url)
        print(f"page opened in {time.time() - start:.1f} s: {page.text('progress')}")
        driver.save_screenshot(OUT + "/1400.png")

        times = []
        for _ in range(20):
            before, start = page.text("facts"), time.time()
            page.key("a")
            while page.text("facts") == before:
                time.sleep(0.01)
            times.append(time.time() - start)
        page.settle()
        print(f"accepted 20: median {sorted(times)[10]:.3f} s until the next is there, most {max(times):.3f} s")
        check("20 are accepted", page.text("progress").startswith("20 of"))

        # Choose an object that is small enough to be seen pixel by pixel.
        for _ in range(25):
            if page.fitted()[0] >= 4:
                break
            page.key("j")
            page.settle()
        scale, left, top, width, height = page.fitted()
        print(f"tools on {page.text('title')}, {scale} canvas pixels a pixel")
        before = page.mask()
        page.key("b")
        page.drag([(width * 0.3, height * 0.3), (width * 0.5, height * 0.5), (width * 0.7, height * 0.75)])
        start = time.time()
        while not page.text("note").startswith("The network") and time.time() - start < 1:
            pass
        page.settle()
        print(f"redrawn box: {before.sum()} → {page.mask().sum()} pixels in {time.time() - start - 0.3:.2f} s")
        check("a redrawn box has another mask", not np.array_equal(before, page.mask()))
        page.key("z")
        page.settle()
        check("undo brings the mask back", np.array_equal(before, page.mask()))
        page.key("y")
        page.settle()
        check("redo makes the new one again", not np.array_equal(before, page.mask()))

        page.run("const t = document.getElementById('threshold'); t.value = 0.1; t.dispatchEvent(new Event('input'));"
                 "t.dispatchEvent(new Event('change'))")
        page.settle()
        more = page.mask().sum()
        page.run("const t = document.getElementById('threshold'); t.value = 0.9; t.dispatchEvent(new Event('input'));"
                 "t.dispatchEvent(new Event('change'))")
        page.settle()
        print(f"threshold 0.1: {more} pixels, 0.9: {page.mask().sum()} pixels")
        check("a higher threshold has fewer pixels", page.mask().sum() < more)
        page.key("z")
        page.settle()

        times = []
        for box in range(5):
            before, start = page.get("index")["heads"]["undo"], time.time()
            page.key("b")
            page.drag([(width * (0.2 + 0.02 * box), height * 0.2), (width * 0.75, height * 0.75)])
            while page.get("index")["heads"]["undo"] == before and time.time() - start < 9:
                time.sleep(0.02)
            times.append(time.time() - start)
            page.settle()
        print(f"5 boxes redrawn: median {sorted(times)[2]:.2f} s, most {max(times):.2f} s")
        for _ in range(5):
            page.key("z")
            page.settle()

        network = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        driver.execute_cdp_cmd("Network.enable", {})
        driver.execute_cdp_cmd("Network.emulateNetworkConditions", network)
        before = page.mask_of(painted := page.text("facts").split(" ")[0], server)
        page.key("p")
        page.drag([(width * 0.1, height * 0.1), (width * 0.2, height * 0.15)])
        page.drag([(width * 0.1, height * 0.2), (width * 0.2, height * 0.25)])
        time.sleep(1.5)
        print("offline: " + page.text("note"))
        check("offline is told", page.text("note").startswith("The server does not answer. 2 changes wait"))
        check("and nothing is kept yet", np.array_equal(before, page.mask_of(painted, server)))
        driver.execute_cdp_cmd("Network.emulateNetworkConditions", network | {"offline": False})
        time.sleep(2.5)
        page.settle()
        check("both strokes are kept when it is back", (page.mask() & ~before).sum() > 0)
        for _ in range(2):
            page.key("z")
            page.settle()
        check("and are two steps", np.array_equal(before, page.mask()))

        scale, left, top, width, height = page.fitted()
        draw = random.Random(16)
        start = time.time()
        for number in range(strokes):
            page.key("e" if number % 3 == 2 else "p")
            size = draw.choice([1, 2, 3, 5, 9, 14])
            page.run("const b = document.getElementById('brush'); b.value = arguments[0]; b.dispatchEvent(new Event('input'))", size)
            x, y = draw.uniform(0.1, 0.9) * width, draw.uniform(0.1, 0.9) * height
            page.drag([(x, y)] + [
                (min(max(x + draw.uniform(-90, 90), 2), width - 3), min(max(y + draw.uniform(-90, 90), 2), height - 3))
                for _ in range(draw.randint(0, 3))])
        page.settle()
        shown, column, row = page.canvas()
        kept = page.mask()
        window = np.zeros_like(shown)
        y0, x0 = max(0, row), max(0, column)
        part = kept[y0:row + shown.shape[0], x0:column + shown.shape[1]]
        window[y0 - row:y0 - row + part.shape[0], x0 - column:x0 - column + part.shape[1]] = part
        print(f"{strokes} strokes in {time.time() - start:.0f} s: {shown.sum()} pixels seen, {window.sum()} kept, "
              f"{(shown != window).sum()} differ")
        check("what is painted is what is kept", np.array_equal(shown, window))
        painted = page.text("facts").split(" ")[0]

        page.key("f")
        page.settle()
        check("fill holes takes no pixel away", not (kept & ~page.mask()).any())
        page.key("l")
        page.settle()
        largest = page.mask()
        check("the largest piece is within", not (largest & ~(page.mask() | kept)).any() and largest.sum() > 0)
        page.key("z")
        page.settle()
        objects = len(page.get("index")["objects"])
        page.key("s")
        page.settle()
        pieces = len(page.get("index")["objects"]) - objects
        print(f"split into {pieces + 1} pieces")
        page.key("z")
        page.settle()
        if page.text("facts").split(" ")[0] != painted:
            sys.exit("undo of the split shows another object")

        page.key("g")
        for x, y in [(0.2, 0.2), (0.4, 0.2), (0.3, 0.45)]:
            page.drag([(x * width, y * height)])
        page.driver.find_element(By.ID, "mask").send_keys("\ue007")
        page.settle()
        check("a polygon adds its pixels", (page.mask() & ~kept).sum() >= 0 and page.mask().sum() > 0)
        before = page.mask()
        page.key("+")
        page.drag([(0.5 * width, 0.5 * height)])
        page.settle()
        page.key("-")
        page.drag([(0.5 * width, 0.5 * height)])
        page.settle()
        print(f"clicks: {before.sum()} → {page.mask().sum()} pixels")
        page.key("n")
        page.drag([(0.35 * width, 0.35 * height), (0.6 * width, 0.6 * height)])
        page.settle()
        new = page.text("facts").split(" ")[0]
        check("a new object is there", new.startswith("n"))
        Select(driver.find_element(By.ID, "category")).select_by_index(0)
        page.settle()
        page.key("\ue017")
        page.settle()
        check("a deleted object is gone", page.get("object/" + new)["object"]["state"] == "deleted")
        page.key("z")
        page.settle()
        check("and comes back", page.get("object/" + new)["object"]["state"] == "pending")

        known = page.get("object/" + painted)
        progress = page.text("progress").split(",")[0]
        server.kill()
        server = Server(masks)
        page.open(server.url)
        check("after kill -9 all is there", page.get("object/" + painted) == known
              and page.text("progress").split(",")[0] == progress)
        page.key("z")
        page.settle()
        page.key("y")
        page.settle()
        check("undo and redo go on after it", page.get("object/" + painted)["object"]["counts"] == known["object"]["counts"])

        first = driver.current_window_handle
        driver.switch_to.new_window("tab")
        page.open(server.url)
        page.key("r")
        page.settle()
        driver.switch_to.window(first)
        page.run("document.getElementById('state').value = ''; document.getElementById('state').dispatchEvent(new Event('input'))")
        page.settle()
        key = page.text("facts").split(" ")[0]
        version = page.get("object/" + key)["object"]["version"]
        answer = driver.execute_async_script(
            """const done = arguments[2]; fetch('api/step', {method: 'POST', headers: {'Content-Type': 'application/json'},
            body: JSON.stringify({kind: 'accept', changes: [{key: arguments[0], version: arguments[1], state: 'accepted'}]})})
            .then((a) => done(a.status))""", key, version - 1)
        check("a window that is behind is told", answer == 409)

        driver.find_element(By.ID, "save").click()
        time.sleep(1)
        page.settle()
        print(page.text("note"))
        with open(OUT + "/masks.reviewed.json") as file:
            reviewed = json.load(file)
        place = int(painted[1:])
        with open(masks) as file:
            identity = json.load(file)["annotations"][place]["id"]
        record = next(a for a in reviewed["annotations"] if a["id"] == identity)
        check("the exported mask is the painted one", np.array_equal(
            coco_mask.decode(record["segmentation"]).astype(bool), decode(page.get("object/" + painted))))
        for size in [(820, 1100), (390, 844)]:
            # Headless windows have a least width; the page's own size is set.
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                "width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 500})
            time.sleep(0.7)
            wide = page.run("return document.documentElement.scrollWidth")
            check(f"nothing is wider than {size[0]} px ({wide})", wide <= size[0])
            driver.save_screenshot(f"{OUT}/{size[0]}.png")
        faults = [e["message"] for e in driver.get_log("browser") if e["level"] == "SEVERE" and " 409 " not in e["message"]
                  and "favicon" not in e["message"] and "INTERNET_DISCONNECTED" not in e["message"]]
        check(f"the browser tells no fault {faults}", not faults)
        check("the server ends with 0", server.stop() == 0)
    finally:
        if server.process.poll() is None:
            server.kill()
        driver.quit()
    sys.exit(check.failed)


if __name__ == "__main__":
    main()
