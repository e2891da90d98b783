#!/usr/bin/env python3
"""Uses each correction tool of `mal review` in Chromium on a mask that is wrong, and tells its IoU with the true mask before
and after. The person is a script that knows the true mask: it clicks, paints and draws where a person who sees it would.

tools_used.py MAL MASKS IMAGES OUT TRUTH.json    MASKS: what `mal label` made of the boxes of TRUTH.json, in its order
    pip install selenium numpy opencv-python-headless pycocotools; apt install chromium chromium-driver
"""
import json
import os
import shutil
import sys
import time

import cv2
import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from browser import MASKS, OUT, Page, Server

TRUTH = sys.argv[5]


def iou(a, b):
    return (a & b).sum() / max(1, (a | b).sum())


def piece(pixels):
    """The largest piece, and the place in it that is farthest from its edge with that distance."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(pixels.astype(np.uint8))
    if count == 1:
        return pixels, (0, 0), 0
    largest = labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
    depth = cv2.distanceTransform(np.pad(largest, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return largest, (x + 0.5, y + 0.5), depth.max()


def filled(mask):
    count, labels = cv2.connectedComponents((~np.pad(mask, 1)).astype(np.uint8), connectivity=4)
    return (labels != labels[0, 0])[1:-1, 1:-1] if count > 2 else mask


class Reviewer:
    def __init__(self, page, server):
        self.page, self.server, self.steps, self.seconds = page, server, 0, 0.0

    def open(self, key):
        self.page.run("const s = document.getElementById('state'), t = document.getElementById('text'); s.value = '';"
                      "t.value = arguments[0]; t.dispatchEvent(new Event('input'))", key)
        self.page.settle()
        assert self.page.text("facts").split(" ")[0] == key, (key, self.page.text("facts"))
        self.scale, self.left, self.top, *_ = self.page.fitted()
        self.key, self.steps, self.seconds = key, 0, 0.0

    def step(self, work):
        """What a step takes, from the first movement until it is kept; whether it is."""
        before, start = self.page.get("index")["heads"]["undo"], time.time()
        work()
        while self.page.get("index")["heads"]["undo"] == before:
            if time.time() - start > 60:
                return print(f"{self.key}: not kept; the page says '{self.page.text('note')}'") or False
            time.sleep(0.02)
        self.seconds += time.time() - start
        self.steps += 1
        self.page.settle()
        return True

    def drag(self, points):
        self.page.drag([((x - self.left) * self.scale, (y - self.top) * self.scale) for x, y in points])

    def mask(self, key=None):
        return self.page.mask_of(key or self.key, self.server)

    def tool(self, key, points):
        return self.step(lambda: (self.page.key(key), self.drag(points)))

    def box(self, box, key="b"):
        x, y, w, h = box
        return self.tool(key, [(x, y), (x + w / 2, y + h / 2), (x + w, y + h)])

    def slide(self, value):
        return self.step(lambda: self.page.run(
            "const t = document.getElementById('threshold'); t.value = arguments[0];"
            "t.dispatchEvent(new Event('input')); t.dispatchEvent(new Event('change'))", value))

    def discs(self, key, wanted):
        """Up to six strokes of the brush or the eraser, each as large as the wrong piece allows."""
        for _ in range(6):
            _, at, depth = piece(wanted(self.mask()))
            if depth < 1.5:
                return
            self.page.run("const b = document.getElementById('brush'); b.value = arguments[0];"
                          "b.dispatchEvent(new Event('input'))", max(1, round(2 * depth - 1)))
            self.tool(key, [at, (at[0] + 1, at[1])])

    def polygon(self, pixels, takes_away):
        outlines, _ = cv2.findContours(pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outline = max(outlines, key=cv2.contourArea)
        corners = cv2.approxPolyDP(outline, 0.008 * cv2.arcLength(outline, True), True)[:, 0] + 0.5

        def work():
            self.page.key("g")
            for corner in corners:
                self.drag([corner])
            canvas = self.page.driver.find_element(By.ID, "mask")
            if takes_away:
                ActionChains(self.page.driver).key_down(Keys.SHIFT).double_click().key_up(Keys.SHIFT).perform()
            else:
                canvas.send_keys(Keys.ENTER)
        self.step(work)
        return len(corners)


def apart(a, b):
    gap = max(a[0] - b[0] - b[2], b[0] - a[0] - a[2], a[1] - b[1] - b[3], b[1] - a[1] - a[3])
    return 3 <= gap <= 60


def rle(pixels):
    found = coco_mask.encode(np.asfortranarray(pixels))
    return {"size": found["size"], "counts": found["counts"].decode()}


def prepare(file, truth, masks):
    """Puts in what a person finds in lists of boxes: half a box, two boxes of one, one around two, one that is missing, one
    twice, a wrong category. Gives the objects' places by what is wrong."""
    records = file["annotations"]
    good = [n for n, a in enumerate(records) if 80 <= min(a["bbox"][2:]) and max(a["bbox"][2:]) <= 400
            and iou(masks[n], truth[n]) > 0.8]
    half, parted, missing, twice, other = good[:5]
    near = [n for n, a in enumerate(records) if 30 <= min(a["bbox"][2:]) and max(a["bbox"][2:]) <= 400
            and iou(masks[n], truth[n]) > 0.7 and n not in good[:5]]
    pair = next((a, b) for a in near for b in near if a < b and records[a]["image_id"] == records[b]["image_id"]
                and apart(records[a]["bbox"], records[b]["bbox"]))

    def put(place, pixels):
        x, y, w, h = cv2.boundingRect(pixels.astype(np.uint8))
        records[place] |= {"segmentation": rle(pixels), "bbox": [x, y, w, h], "area": int(pixels.sum())}

    def left(pixels, box):
        cut = pixels.copy()
        cut[:, int(box[0] + box[2] / 2):] = False
        return cut

    both = masks[pair[0]] | masks[pair[1]]
    own, number = left(masks[parted], records[parted]["bbox"]), max(a["id"] for a in records)
    records.append(dict(records[twice], id=number + 1))
    records.append(dict(records[parted], id=number + 2))
    put(len(records) - 1, masks[parted] & ~own)
    put(parted, own)
    put(half, left(masks[half], records[half]["bbox"]))
    put(pair[0], both)
    for gone in [missing, pair[1]]:
        records[gone] |= {"segmentation": rle(masks[gone] & False), "bbox": [0, 0, 1, 1], "area": 0}
    names = [c["id"] for c in file["categories"]]
    records[other]["category_id"] = names[(names.index(records[other]["category_id"]) + 1) % len(names)]
    return half, parted, missing, twice, other, pair


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    coco = COCO(TRUTH)
    with open(MASKS) as file:
        labelled = json.load(file)
    records = labelled["annotations"]
    identities = [a["id"] for a in records]
    truth = [coco.annToMask(coco.anns[n]).astype(bool) for n in identities]
    sizes = [t.shape for t in truth]
    masks = [coco_mask.decode(a["segmentation"]).astype(bool) if a.get("segmentation") else np.zeros(s, bool)
             for a, s in zip(records, sizes)]
    boxes = [list(a["bbox"]) for a in records]
    half, parted, missing, twice, other, pair = prepare(labelled, truth, masks)
    double = len(records) - 2
    used = {half, parted, missing, other, *pair}
    with open(OUT + "/masks.json", "w") as file:
        json.dump(labelled, file)

    def worst(gain):
        """The object that a tool can mend most, of those that fit the screen and no tool has had."""
        found = max((n for n in range(len(identities)) if n not in used and min(boxes[n][2:]) >= 60
                     and max(boxes[n][2:]) <= 400), key=lambda n: gain(truth[n], masks[n]) / truth[n].sum())
        used.add(found)
        return found

    options = webdriver.ChromeOptions()
    for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,900"]:
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    server = Server(OUT + "/masks.json")
    page = Page(driver)
    person = Reviewer(page, server)

    def use(name, place, work, target=None):
        target = truth[place] if target is None else target
        try:
            person.open(f"a{place}")
            before = iou(person.mask(), target)
            driver.save_screenshot(f"{OUT}/{name}-before.png")
            told = work()
            driver.save_screenshot(f"{OUT}/{name}-after.png")
            after = iou(person.mask(told if isinstance(told, str) and told.startswith("n") else None), target)
            print(f"| {name} | {identities[place] if place < len(identities) else 'copy'} | {before:.3f} → {after:.3f} | "
                  f"{person.steps} | {person.seconds:.1f} | {told if isinstance(told, str) else ''} |", flush=True)
        except Exception as error:
            print(f"WRONG {name}: {type(error).__name__} {str(error)[:200]}", flush=True)

    def thresholds():
        best = (iou(person.mask(), truth[low]), 0.5)
        for value in [0.4, 0.3, 0.2]:
            person.slide(value)
            best = max(best, (iou(person.mask(), truth[low]), value))
        person.slide(best[1])
        return f"to {best[1]}"

    def new():
        Select(driver.find_element(By.ID, "category")).select_by_index(0)
        page.settle()
        person.box(boxes[missing], "n")
        return page.text("facts").split(" ")[0]

    try:
        page.open(server.url)
        use("box", half, lambda: person.box(boxes[half]))
        low = worst(lambda t, m: (t & ~m).sum() - 3 * (m & ~t).sum())
        use("threshold", low, thresholds)
        add = worst(lambda t, m: piece(t & ~m)[0].sum())
        use("click adds", add, lambda: person.tool("+", [piece(truth[add] & ~person.mask())[1]]))
        take = worst(lambda t, m: piece(m & ~t)[0].sum())
        use("click removes", take, lambda: person.tool("-", [piece(person.mask() & ~truth[take])[1]]))
        pen = worst(lambda t, m: piece(t & ~m)[0].sum())
        use("brush", pen, lambda: person.discs("p", lambda m: truth[pen] & ~m))
        rub = worst(lambda t, m: piece(m & ~t)[0].sum())
        use("eraser", rub, lambda: person.discs("e", lambda m: m & ~truth[rub]))
        line = worst(lambda t, m: (t & ~m).sum())
        use("polygon", line, lambda: f"{person.polygon(truth[line], False)} corners")
        cut = worst(lambda t, m: piece(m & ~t)[0].sum())
        use("polygon away", cut, lambda: f"{person.polygon(piece(person.mask() & ~truth[cut])[0], True)} corners")
        holes = worst(lambda t, m: iou(filled(m), t) - iou(m, t) if m.any() else -9)
        use("fill holes", holes, lambda: person.step(lambda: page.key("f")))
        islands = worst(lambda t, m: iou(piece(m)[0], t) - iou(m, t) if m.any() else -9)
        use("keep largest", islands, lambda: person.step(lambda: page.key("l")))
        use("split", pair[0], lambda: person.step(lambda: page.key("s")),
            max((truth[n] for n in pair), key=lambda t: t.sum()))
        use("merge", parted, lambda: person.tool("m", [piece(masks[parted] & ~person.mask())[1]]))
        use("new object", missing, new)
        use("delete", double, lambda: person.step(lambda: page.key(Keys.DELETE)), truth[twice])
        use("category", other, lambda: person.step(lambda: Select(driver.find_element(By.ID, "category"))
                                                   .select_by_value(str(0))))
    finally:
        driver.quit()
        print("the server ends with", server.stop())


if __name__ == "__main__":
    main()
