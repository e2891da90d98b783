#!/usr/bin/env python3
"""Uses each correction tool of `mal review` in Chromium on a mask that is wrong, and tells its IoU with the true mask before
and after, as the mean of ten objects. The person is a script that knows the true mask: it clicks, paints and draws where one
who sees it would. Afterwards it undoes all, and the mask must be what it was.

tools_used.py MAL MASKS IMAGES OUT TRUTH.json [TOOL...]    MASKS: what `mal label` made of the boxes of TRUTH.json
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
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from browser import MASKS, OUT, Page, Server, chromium, decode


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
    _, labels = cv2.connectedComponents((~np.pad(mask, 1)).astype(np.uint8), connectivity=4)
    return (labels != labels[0, 0])[1:-1, 1:-1]


class Person:
    def __init__(self, driver):
        self.driver, self.page = driver, Page(driver)

    def set(self, name, value):
        self.page.run("const field = document.getElementById(arguments[0]); field.value = arguments[1];"
                      "for (const name of ['input', 'change']) field.dispatchEvent(new Event(name))", name, value)

    def open(self, key):
        self.set("state", "")
        self.set("text", key)
        self.page.settle()
        self.key, (self.scale, self.left, self.top, *_) = key, self.page.fitted()

    def mask(self):
        found = self.page.get("object/" + self.key)
        return decode(found) & (found["object"]["state"] != "deleted")

    def step(self, work):
        """Does one, and counts what it takes from the first movement until it is kept."""
        before, start = self.page.get("index")["heads"]["undo"], time.time()
        work()
        while self.page.get("index")["heads"]["undo"] == before:
            assert time.time() - start < 60, self.page.text("note")
            time.sleep(0.02)
        self.steps, self.seconds = self.steps + 1, self.seconds + time.time() - start
        self.page.settle()

    def press(self, key):
        self.step(lambda: self.page.key(key))

    def draw(self, points):
        self.page.drag([((x - self.left) * self.scale, (y - self.top) * self.scale) for x, y in points])

    def tool(self, key, points):
        self.step(lambda: (self.page.key(key), self.draw(points)))

    def box(self, key, x, y, w, h):
        self.tool(key, [(x, y), (x + w / 2, y + h / 2), (x + w, y + h)])
        self.key = self.page.text("facts").split(" ")[0]

    def slide(self, value):
        self.step(lambda: self.set("threshold", value))

    def paint(self, key, wrong):
        """Up to six strokes, each as wide as what is wrong allows."""
        for _ in range(6):
            _, (x, y), depth = piece(wrong())
            if depth < 1.5:
                break
            self.set("brush", max(1, round(2 * depth - 1)))
            self.tool(key, [(x, y), (x + 1, y)])

    def polygon(self, pixels, takes_away):
        outlines, _ = cv2.findContours(pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outline = max(outlines, key=cv2.contourArea)

        def work():
            self.page.key("g")
            for corner in cv2.approxPolyDP(outline, 0.008 * cv2.arcLength(outline, True), True)[:, 0] + 0.5:
                self.draw([corner])
            if takes_away:
                ActionChains(self.driver).key_down(Keys.SHIFT).double_click().key_up(Keys.SHIFT).perform()
            else:
                self.page.key(Keys.ENTER)
        self.step(work)

    def category(self, step):
        chosen = Select(self.driver.find_element(By.ID, "category"))
        place = [option.is_selected() for option in chosen.options].index(True)
        self.step(lambda: chosen.select_by_index((place + step) % len(chosen.options)))


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    coco = COCO(sys.argv[5])
    records = json.load(open(shutil.copy(MASKS, OUT + "/masks.json")))["annotations"]
    truth = [coco.annToMask(coco.anns[a["id"]]).astype(bool) for a in records]
    masks = [coco_mask.decode(a["segmentation"]).astype(bool) for a in records]
    box = [a["bbox"] for a in records]
    score = {n: iou(masks[n], truth[n]) for n, b in enumerate(box) if min(b[2:]) >= 60 and max(b[2:]) <= 400}
    good = [n for n in score if score[n] > 0.8][:10]

    def worst(gain):
        """The ten that a tool can mend most, of the objects whose mask is not hopeless."""
        gains = {n: gain(truth[n], masks[n]) for n in score if score[n] >= 0.5}
        return sorted((n for n in gains if gains[n] > 0), key=lambda n: -gains[n])[:10]

    driver = chromium()
    server = Server(OUT + "/masks.json")
    person = Person(driver)

    def use(name, numbers, work, spoil=lambda n: None, told=None):
        """A row: what one of the objects takes. `spoil` makes the fault first, if it is one of the list of boxes."""
        rows = []
        for n in numbers if name in (sys.argv[6:] or [name]) else []:
            person.open(f"a{n}")
            first, person.steps = person.mask(), 0
            spoil(n)
            before = iou(person.mask(), truth[n]) * (name != "new object")
            spoilt, person.seconds = person.steps, 0
            driver.save_screenshot(f"{OUT}/{name} {records[n]['id']} before.png")
            work(n)
            rows.append([before, iou(person.mask(), truth[n]), person.steps - spoilt, person.seconds])
            driver.save_screenshot(f"{OUT}/{name} {records[n]['id']} after.png")
            for _ in range(person.steps):
                person.press("z")
            person.open(f"a{n}")
            assert np.array_equal(first, person.mask()), f"{name}: undo does not give the mask of {records[n]['id']}"
        if not rows:
            return
        before, after, steps, seconds = np.mean(rows, 0)
        found = told or f"{before:.3f} → {after:.3f}, {sum(row[1] > row[0] for row in rows)} better"
        print(f"| {name} | {len(rows)} | {found} | {steps:g} | {seconds:.2f} |", flush=True)

    def halve(n, has_other=True):
        x, y, w, h = box[n]
        person.box("b", x, y, w / 2, h)
        if has_other:
            person.box("n", x + w / 2, y, w / 2, h)
            person.other = person.mask()
            person.open(f"a{n}")

    def double(n):
        person.box("n", *box[n])

    lacks, extra = (lambda n: truth[n] & ~person.mask()), (lambda n: person.mask() & ~truth[n])
    lack, excess = worst(lambda t, m: piece(t & ~m)[0].sum() / t.sum()), worst(lambda t, m: piece(m & ~t)[0].sum() / t.sum())
    islands = worst(lambda t, m: iou(piece(m)[0], t) - iou(m, t))
    print("| tool | objects | IoU | steps | seconds |\n| --- | --- | --- | --- | --- |")
    try:
        person.page.open(server.url)
        use("threshold", worst(lambda t, m: ((t & ~m).sum() - 3 * (m & ~t).sum()) / t.sum()), lambda n: person.slide(
            max([0.4, 0.3, 0.2], key=lambda value: person.slide(value) or iou(person.mask(), truth[n]))))
        use("click adds", lack, lambda n: person.tool("+", [piece(lacks(n))[1]]))
        use("click removes", excess, lambda n: person.tool("-", [piece(extra(n))[1]]))
        use("brush", lack, lambda n: person.paint("p", lambda: lacks(n)))
        use("eraser", excess, lambda n: person.paint("e", lambda: extra(n)))
        use("polygon", lack, lambda n: person.polygon(piece(lacks(n))[0], False))
        use("polygon takes away", excess, lambda n: person.polygon(piece(extra(n))[0], True))
        use("fill holes", worst(lambda t, m: iou(filled(m), t) - iou(m, t)), lambda n: person.press("f"))
        use("keep largest", islands, lambda n: person.press("l"))
        use("box", good, lambda n: person.box("b", *box[n]), lambda n: halve(n, False))
        use("merge", good, lambda n: person.tool("m", [piece(person.other)[1]]), halve)
        use("split", islands, lambda n: person.press("s"))
        use("new object", good, double)
        use("delete", good, lambda n: person.press(Keys.DELETE), double, "there twice → once")
        use("category", good, lambda n: person.category(1), lambda n: person.category(-1), "wrong → right")
    finally:
        driver.quit()
        print("the server ends with", server.stop())


if __name__ == "__main__":
    main()
