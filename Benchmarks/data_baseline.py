"""The work beside the network with Pillow and numpy, as SPEC has it and as `bench data` does it:
prints the same JSON line. `--coco FILE` reads an annotation file with pycocotools instead.
"""
import argparse
import json
import math
import resource
import time

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


def corners(box):
    x, y, w, h = box
    return [float(np.float32(v)) for v in (x, y, x + w, y + h)]


def window(box, margins):
    x0, y0, x1, y1 = corners(box)
    cx = float(np.float32(x0) + np.float32(x1)) / 2
    cy = float(np.float32(y0) + np.float32(y1)) / 2
    left, top, right, bottom = margins
    return (
        math.floor(cx - (cx - x0) * (1 + left)), math.floor(cy - (cy - y0) * (1 + top)),
        math.ceil(cx + (x1 - cx) * (1 + right) + 1), math.ceil(cy + (y1 - cy) * (1 + bottom) + 1))


def wrapped(pixels, place):
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = place
    if 0 <= x0 and 0 <= y0 and x1 <= width and y1 <= height:
        return pixels[y0:y1, x0:x1]
    return pixels[np.arange(y0, y1) % height][:, np.arange(x0, x1) % width]


def padded(pixels, place):
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = place
    out = np.zeros((y1 - y0, x1 - x0), np.uint8)
    a, b, c, d = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    out[b - y0:d - y0, a - x0:c - x0] = pixels[b:d, a:c]
    return out


def resized(pixels, side):
    return Image.fromarray(np.ascontiguousarray(pixels)).resize((side, side), Image.BICUBIC)


def box_mask(box, height, width):
    x0, y0, x1, y1 = corners(box)
    mask = np.zeros((height, width), np.uint8)
    mask[int(y0):int(y1) + 1, int(x0):int(x1) + 1] = 1
    return mask


def network_input(pixels):
    image = np.asarray(pixels, np.float32) / 255
    return np.ascontiguousarray(((image - MEAN) / DEVIATION).transpose(2, 0, 1))


def test_item(item, path, side):
    pixels = np.asarray(Image.open(path).convert("RGB"))
    place = window(item["box"], [0.3] * 4)
    crop = resized(wrapped(pixels, place), side)
    mask = resized(padded(box_mask(item["box"], *pixels.shape[:2]), place), side)
    return [crop, mask], [crop]


def turned(image, share):
    h, s, v = image.convert("HSV").split()
    h = Image.fromarray(((np.asarray(h, np.int16) + int(share * 255)) % 256).astype(np.uint8))
    return Image.merge("HSV", (h, s, v)).convert("RGB")


def training_item(item, path, side):
    pixels = np.asarray(Image.open(path).convert("RGB"))
    place = window(item["box"], item["margins"])
    crop = resized(wrapped(pixels, place), side)
    mask = resized(wrapped(box_mask(item["box"], *pixels.shape[:2]), place), side)
    if item["mirror"]:
        crop = crop.transpose(Image.FLIP_LEFT_RIGHT)
        mask = mask.transpose(Image.FLIP_LEFT_RIGHT)
    student = crop
    for kind, amount in item["jitter"]:
        if kind == 0:
            student = ImageEnhance.Brightness(student).enhance(amount)
        elif kind == 1:
            student = ImageEnhance.Contrast(student).enhance(amount)
        elif kind == 2:
            student = ImageEnhance.Color(student).enhance(amount)
        else:
            student = turned(student, amount)
    if item["grey"]:
        student = student.convert("L").convert("RGB")
    if item["blur"]:
        student = student.filter(ImageFilter.GaussianBlur(item["blur"]))
    return [student, crop, mask], [student, crop]


def disc(side):
    axis = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(side) - np.float32(0.5)
    x, y = axis[None], axis[:, None]
    reach = (x * x + y * y) * np.float32(16) / np.float32(1.69)
    value = 1 / (1 + reach * reach * reach * reach)
    return np.where(np.maximum(abs(x), abs(y)) > np.float32(0.5) / np.float32(1.3), 0, value)


def post(item, probabilities, height, width):
    """Bilinear at the window's size, pasted into an image of floats, thresholded, as RLE."""
    import torch
    from pycocotools import mask as coco
    x0, y0, x1, y1 = window(item["box"], [0.3] * 4)
    part = torch.nn.functional.interpolate(
        probabilities, (y1 - y0, x1 - x0), mode="bilinear", align_corners=False)[0, 0].numpy()
    full = np.zeros((height, width), np.float32)
    a, b, c, d = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
    full[b:d, a:c] = part[b - y0:d - y0, a - x0:c - x0]
    mask = np.asfortranarray((full > 0.1).astype(np.uint8))
    code = coco.encode(mask)
    area = int(coco.area(code))
    return [np.frombuffer(code["counts"], np.uint8), np.array([area % 251], np.uint8)], []


def checksum(parts, seed):
    total = seed
    for part in parts:
        values = np.asarray(part).reshape(-1).astype(np.uint64)
        places = np.arange(values.size, dtype=np.uint64) % np.uint64(65521) + np.uint64(1)
        total += int((values * places).sum(dtype=np.uint64))
    return total % 2**52


def times(items, rounds, make):
    """Milliseconds of CPU time without the network's input, with it, wall seconds, checksum."""
    plain, whole, total = [], [], 0
    start = time.monotonic()
    for turn in range(rounds):
        for index, item in enumerate(items):
            begun = time.thread_time()
            parts, images = make(item)
            made = time.thread_time()
            for image in images:
                network_input(image)
            whole.append((time.thread_time() - begun) * 1000)
            plain.append((made - begun) * 1000)
            if turn == 0:
                total ^= checksum(parts, index)
    return {
        "plain": plain, "whole": whole, "seconds": time.monotonic() - start, "checksum": total}


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--items")
    a.add_argument("--coco")
    a.add_argument("--crop", type=int, default=512)
    a.add_argument("--rounds", type=int, default=1)
    o = a.parse_args()
    if o.coco:
        import contextlib
        import io
        from pycocotools.coco import COCO
        start, busy = time.monotonic(), time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            index = COCO(o.coco)
        print(json.dumps({
            "seconds": time.monotonic() - start, "cpu_seconds": time.process_time() - busy,
            "images": len(index.imgs), "annotations": len(index.anns),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    with open(o.items) as file:
        listed = json.load(file)
    items, path = listed["items"], listed["image"]
    result = {
        "test": times(items, o.rounds, lambda item: test_item(item, path, o.crop)),
        "training": times(items, o.rounds, lambda item: training_item(item, path, o.crop))}
    try:
        import torch
        torch.set_num_threads(1)
        probabilities = torch.from_numpy(disc(o.crop))[None, None]
        result["post"] = times(
            items, o.rounds,
            lambda item: post(item, probabilities, listed["height"], listed["width"]))
    except ImportError:
        pass
    print(json.dumps(result))


if __name__ == "__main__":
    main()
