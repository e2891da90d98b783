#!/usr/bin/env python3
"""How `mal review` bears 100,000 annotations and a photograph of 50 megapixels, in a real browser.

limits.py MAL IMAGES OUT      IMAGES is a folder of some photographs
    pip install selenium numpy pillow pycocotools
"""
import atexit
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask
from selenium import webdriver
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

MAL, IMAGES, OUT = sys.argv[1:]


def memory(pid):
    with open(f"/proc/{pid}/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    return f"{int(lines['VmRSS'].split()[0]) // 1024} MB, at most {int(lines['VmHWM'].split()[0]) // 1024} MB"


def ellipse(width, height, box):
    x, y, w, h = (int(v) for v in box)
    rows, columns = np.ogrid[:height, :width]
    inside = ((columns - x - w / 2) / (w / 2)) ** 2 + ((rows - y - h / 2) / (h / 2)) ** 2 <= 1
    rle = coco_mask.encode(np.asfortranarray(inside.astype(np.uint8)))
    return {"size": rle["size"], "counts": rle["counts"].decode()}, int(inside.sum())


def write(path, photographs, count):
    draw = random.Random(16)
    images, annotations, masks = [], [], {}
    for number, (name, (width, height)) in enumerate(photographs):
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        boxes = [[draw.randint(0, width - 60), draw.randint(0, height - 60), 50, 40] for _ in range(8)]
        masks[number] = [(box, *ellipse(width, height, box)) for box in boxes]
    for number in range(count):
        image = number % len(images)
        box, rle, area = draw.choice(masks[image])
        annotations.append({
            "id": number, "image_id": image, "category_id": number % 5, "bbox": box, "segmentation": rle, "area": area,
            "iscrowd": 0, "score": round(draw.random(), 4)})
    with open(path, "w") as file:
        json.dump({"images": images, "annotations": annotations,
                   "categories": [{"id": n, "name": f"kind {n}"} for n in range(5)]}, file)


def serve(masks, images):
    process = subprocess.Popen(
        [MAL, "review", masks, "--images", images, "--checkpoint", "tiny", "--quiet"], stdout=subprocess.PIPE, text=True)
    atexit.register(process.kill)
    for line in process.stdout:
        if found := re.search(r"http://\S+", line):
            return process, found.group()
    sys.exit("the server did not start")


def drawn(driver, seconds=60):
    """Waits until photograph and mask are on the canvas; seconds it took."""
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        if driver.execute_script(
                """const filled = (name) => { const c = document.getElementById(name);
                const x = c.getContext('2d'), w = Math.floor(c.width / 2), h = Math.floor(c.height / 2);
                return x.getImageData(w - 20, h - 20, 40, 40).data.some((v) => v > 0); };
                return filled('photo') && filled('mask')"""):
            return time.perf_counter() - start
    sys.exit("nothing was drawn")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    options = webdriver.ChromeOptions()
    for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,900"]:
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    atexit.register(driver.quit)
    names = sorted(os.listdir(IMAGES))
    photographs = [(name, Image.open(IMAGES + "/" + name).size) for name in names] * 40
    write(OUT + "/many.json", photographs, 100_000)
    start = time.perf_counter()
    process, url = serve(OUT + "/many.json", IMAGES)
    print(f"100,000 annotations: the server listens after {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    driver.get(url)
    drawn(driver)
    print(f"the page shows the first mask after {time.perf_counter() - start:.2f} s: "
          + driver.find_element(By.ID, "progress").text)
    # Measured in the page: the key, then until the next object's title is there and drawn.
    times = driver.execute_async_script(
        """const done = arguments[0]; const times = [];
        const facts = document.getElementById('facts');
        const next = () => {
          if (times.length === 30) return done(times);
          const start = performance.now(), before = facts.textContent;
          const seen = new MutationObserver(() => {
            if (facts.textContent === before) return;
            seen.disconnect();
            requestAnimationFrame(() => requestAnimationFrame(() => { times.push(performance.now() - start); setTimeout(next, 50); }));
          });
          seen.observe(facts, {childList: true, characterData: true, subtree: true});
          document.body.dispatchEvent(new KeyboardEvent('keydown', {key: times.length % 3 ? 'j' : 'a', bubbles: true}));
        };
        next()""")
    times.sort()
    print(f"the next mask: median {times[15]:.0f} ms, most {times[-1]:.0f} ms; server {memory(process.pid)}")
    process.terminate()
    process.wait()

    large = np.zeros((5774, 8660, 3), dtype=np.uint8)
    draw = np.random.default_rng(16)
    large[:] = np.kron(draw.integers(0, 255, (58, 87, 3), dtype=np.uint8), np.ones((100, 100, 1), dtype=np.uint8))[:5774, :8660]
    os.makedirs(OUT + "/photos")
    Image.fromarray(large).save(OUT + "/photos/large.jpg", quality=90)
    rle, area = ellipse(8660, 5774, [4000, 2500, 900, 700])
    with open(OUT + "/large.json", "w") as file:
        json.dump({"images": [{"id": 1, "file_name": "large.jpg", "width": 8660, "height": 5774}],
                   "categories": [{"id": 1, "name": "thing"}],
                   "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [4000, 2500, 900, 700], "area": area,
                                    "segmentation": rle, "iscrowd": 0, "score": 0.5}]}, file)
    process, url = serve(OUT + "/large.json", OUT + "/photos")
    start = time.perf_counter()
    driver.get(url)
    drawn(driver)
    print(f"50 megapixels: first drawn after {time.perf_counter() - start:.2f} s; server {memory(process.pid)}")
    mask = driver.find_element(By.ID, "mask")
    frame = driver.execute_script("const r = document.getElementById('mask').getBoundingClientRect(); return [r.left, r.top, r.width, r.height]")
    mask.send_keys("9")
    time.sleep(2)
    driver.save_screenshot(OUT + "/whole.png")
    mask.send_keys("0")
    driver.execute_script(
        """const c = document.getElementById('mask'), r = c.getBoundingClientRect();
        for (let n = 0; n < 40; n++) c.dispatchEvent(new WheelEvent('wheel', {deltaY: -40, clientX: r.left + r.width / 2, clientY: r.top + r.height / 2, cancelable: true}))""")
    time.sleep(0.5)
    mask.send_keys("e")
    start = time.perf_counter()
    builder = ActionBuilder(driver, duration=5)
    builder.pointer_action.move_to_location(int(frame[0] + 100), int(frame[1] + 100))
    builder.pointer_action.pointer_down()
    builder.pointer_action.move_to_location(int(frame[0] + 500), int(frame[1] + 400))
    builder.pointer_action.pointer_up()
    builder.perform()
    while "changed" not in driver.find_element(By.ID, "facts").text and time.perf_counter() - start < 20:
        time.sleep(0.02)
    print(f"a stroke is kept after {time.perf_counter() - start:.2f} s; server {memory(process.pid)}; page "
          + f"{driver.execute_script('return performance.memory.usedJSHeapSize') // 2**20} MB of JavaScript")
    driver.save_screenshot(OUT + "/large.png")
    process.terminate()
    process.wait()


main()
