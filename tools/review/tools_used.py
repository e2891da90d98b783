#!/usr/bin/env python3
"""Uses each correction tool of `mal review` in Chromium on a mask that is wrong, and tells its IoU with the true mask before
and after, as the mean of ten objects. The person is a script that knows the true mask: it clicks, paints and draws where one
who sees it would. Afterwards it undoes all, and the mask must be what it was.

tools_used.py MAL MASKS IMAGES OUT TRUTH.json    MASKS: what `mal label` made of the boxes of TRUTH.json
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

from browser import MASKS, OUT, Page, Server, decode


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

    def open(self, key):
        self.page.run("const s = document.getElementById('state'), t = document.getElementById('text'); s.value = '';"
                      "t.value = arguments[0]; t.dispatchEvent(new Event('input'))", key)
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
            assert time.time() - start < 60, f"not kept; the page says '{self.page.text('note')}'"
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
        self.step(lambda: self.page.run(
            "const t = document.getElementById('threshold'); t.value = arguments[0];"
            "t.dispatchEvent(new Event('input')); t.dispatchEvent(new Event('change'))", value))

    def paint(self, key, wrong):
        """Up to six strokes, each as wide as what is wrong allows."""
        for _ in range(6):
            _, (x, y), depth = piece(wrong())
            if depth < 1.5:
                break
            self.page.run("const b = document.getElementById('brush'); b.value = arguments[0];"
                          "b.dispatchEvent(new Event('input'))", max(1, round(2 * depth - 1)))
            self.tool(key, [(x, y), (x + 1, y)])

    def polygon(self, pixels, takes_away):
        outlines, _ = cv2.findContours(pixels.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outline = max(outlines, key=cv2.contourArea)
        corners = cv2.approxPolyDP(outline, 0.008 * cv2.arcLength(outline, True), True)[:, 0] + 0.5

        def work():
            self.page.key("g")
            for corner in corners:
                self.draw([corner])
            if takes_away:
                ActionChains(self.driver).key_down(Keys.SHIFT).double_click().key_up(Keys.SHIFT).perform()
            else:
                self.page.key(Keys.ENTER)
        self.step(work)

    def category(self, step):
        """To another one of the list."""
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
    good = [n for n in score if score[n] > 0.8]

    good = [n for n in score if score[n] > 0.8]

    def partner(n):
        """Another good mask, smaller and apart, whose middle is in sight when n is open and in no third mask."""
        x, y, w, h = box[n]
        for m in (m for m in good if records[m]["image_id"] == records[n]["image_id"] and masks[m].sum() < masks[n].sum()):
            (column, row), _ = piece(masks[m])[1:]
            own = [k for k, a in enumerate(records) if a["image_id"] == records[n]["image_id"]
                   and masks[k][int(row), int(column)]]
            reach = 0.6 * max(w / 1000, h / 800)
            if own == [m] and abs(column - x - w / 2) < 1000 * reach and abs(row - y - h / 2) < 800 * reach \
                    and cv2.connectedComponents((masks[n] | masks[m]).astype(np.uint8))[0] == 3:
                return m
        return None

    def worst(gain):
        """The ten that a tool can mend most, measured by their size, of the objects whose mask is not hopeless."""
        gains = {n: gain(truth[n], masks[n]) / truth[n].sum() for n in score if score[n] >= 0.5}
        return sorted((n for n in gains if gains[n] > 0), key=lambda n: -gains[n])[:10]

    options = webdriver.ChromeOptions()
    for argument in ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,900"]:
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    server = Server(OUT + "/masks.json")
    person = Person(driver)

    def use(name, numbers, work, spoil=lambda n: None, told=None):
        """A row: what one of the objects takes. `spoil` makes the fault first, where it is one of the list of boxes."""
        rows = []
        for n in numbers:
            person.open(f"a{n}")
            first, person.steps = person.mask(), 0
            spoil(n)
            before = iou(person.mask(), truth[n]) if name != "new object" else 0
            spoilt, person.seconds = person.steps, 0
            driver.save_screenshot(f"{OUT}/{name} {records[n]['id']} before.png")
            work(n)
            rows.append([before, iou(person.mask(), truth[n]), person.steps - spoilt, person.seconds])
            driver.save_screenshot(f"{OUT}/{name} {records[n]['id']} after.png")
            for _ in range(person.steps):
                person.press("z")
            person.open(f"a{n}")
            assert np.array_equal(first, person.mask()), f"{name}: undo does not give the mask of {records[n]['id']}"
        before, after, steps, seconds = np.mean(rows, 0)
        better = sum(row[1] > row[0] for row in rows)
        print(f"| {name} | {told or f'{before:.3f} → {after:.3f}'} | {len(rows)} | {'' if told else better} | {steps:g} | "
              f"{seconds:.2f} |", flush=True)

    others = {}

    def halve(n):
        x, y, w, h = box[n]
        person.box("b", x, y, w / 2, h)
        person.box("n", x + w / 2, y, w / 2, h)
        others[n] = person.mask()
        person.open(f"a{n}")

    def join(pixels):
        person.tool("m", [piece(pixels)[1]])

    def lacks(n):
        return truth[n] & ~person.mask()

    def extra(n):
        return person.mask() & ~truth[n]

    def double(n):
        person.box("n", *box[n])

    lack, excess = worst(lambda t, m: piece(t & ~m)[0].sum()), worst(lambda t, m: piece(m & ~t)[0].sum())
    print("| tool | IoU | objects | better | steps | seconds |\n| --- | --- | --- | --- | --- | --- |")
    try:
        person.page.open(server.url)
        use("threshold", worst(lambda t, m: (t & ~m).sum() - 3 * (m & ~t).sum()), lambda n: person.slide(
            max([0.4, 0.3, 0.2], key=lambda value: person.slide(value) or iou(person.mask(), truth[n]))))
        use("click adds", lack, lambda n: person.tool("+", [piece(lacks(n))[1]]))
        use("click removes", excess, lambda n: person.tool("-", [piece(extra(n))[1]]))
        use("brush", lack, lambda n: person.paint("p", lambda: lacks(n)))
        use("eraser", excess, lambda n: person.paint("e", lambda: extra(n)))
        use("polygon", lack, lambda n: person.polygon(piece(lacks(n))[0], False))
        use("polygon takes away", excess, lambda n: person.polygon(piece(extra(n))[0], True))
        use("fill holes", worst(lambda t, m: iou(filled(m), t) - iou(m, t)), lambda n: person.press("f"))
        use("keep largest", worst(lambda t, m: iou(piece(m)[0], t) - iou(m, t)), lambda n: person.press("l"))
        use("box", good[:10], lambda n: person.box("b", *box[n]), lambda n: person.box("b", *box[n][:2], box[n][2] / 2, box[n][3]))
        use("merge", good[:10], lambda n: join(others[n]), halve)
        use("split", [n for n in good if partner(n)][:10], lambda n: person.press("s"), lambda n: join(masks[partner(n)]))
        use("new object", good[:10], double)
        use("delete", good[:10], lambda n: person.press(Keys.DELETE), double, "there twice → once")
        use("category", good[:10], lambda n: person.category(1), lambda n: person.category(-1), "wrong → right")
    finally:
        driver.quit()
        print("the server ends with", server.stop())


if __name__ == "__main__":
    main()
