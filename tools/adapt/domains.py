#!/usr/bin/env python3
"""Draws scenes unlike COCO's photographs, with known masks.

    domains.py cells|yard|pages FOLDER [--images 60] [--seed 1]

FOLDER gets images/, boxes.json (boxes only) and truth.json (with masks). cells: touching cells
under a phase-contrast microscope; yard: cars, containers and planes from above, at any angle, with
shadows; pages: figures, stamps and signatures on printed pages. Needs numpy, Pillow and scipy.
"""
import argparse
import json
import math
import os

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

SIZE = 384


def noise(rng, scales, shape=(SIZE, SIZE)):
    """Smooth random values of mean 0 and deviation 1 at several scales."""
    total = np.zeros(shape, np.float32)
    for sigma, weight in scales:
        layer = ndimage.gaussian_filter(rng.standard_normal(shape).astype(np.float32), sigma)
        total += weight * layer / (layer.std() + 1e-6)
    return total / (total.std() + 1e-6)


def polygon(points):
    canvas = Image.new("L", (SIZE, SIZE))
    ImageDraw.Draw(canvas).polygon([tuple(map(float, p)) for p in points], fill=1)
    return np.asarray(canvas, bool)


def blob(rng, center, radius, stretch, angle, wobble):
    """A closed curve with a few random waves."""
    turn = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    reach = np.ones_like(turn)
    for order in range(2, 6):
        reach += wobble / order * rng.standard_normal() * np.cos(order * turn + rng.uniform(0, 7))
    x, y = radius * stretch * reach * np.cos(turn), radius / stretch * reach * np.sin(turn)
    c, s = math.cos(angle), math.sin(angle)
    return np.stack([center[0] + c * x - s * y, center[1] + s * x + c * y], 1)


def cells(rng):
    """Grey, noisy, faint: long cells across each other's boxes, grainy inside as the ground is."""
    ground = 0.45 + 0.035 * noise(rng, [(40, 0.6), (6, 0.5), (2, 1)])
    image, taken, masks = ground.copy(), np.zeros((SIZE, SIZE), bool), []
    middle = rng.uniform(90, SIZE - 90, 2)
    for number in range(60):
        if len(masks) == 5:
            break
        center = middle + rng.normal(0, 48, 2)
        if not (40 < center[0] < SIZE - 40 and 40 < center[1] < SIZE - 40):
            continue
        mask = polygon(blob(rng, center, rng.uniform(22, 34), rng.uniform(1.5, 2.2),
                            rng.uniform(0, math.pi), 0.12)) & ~taken
        pieces, count = ndimage.label(mask)
        if count == 0:
            continue
        mask = pieces == 1 + np.argmax(ndimage.sum(mask, pieces, range(1, count + 1)))
        if mask.sum() < 900:
            continue
        taken |= mask
        masks.append(mask)
        inside = ndimage.distance_transform_edt(mask)
        outside = ndimage.distance_transform_edt(~mask)
        body = 0.035 * noise(rng, [(3, 1), (1.5, 1)]) + rng.uniform(-0.03, 0.03)
        nucleus = 0.05 * np.exp(-((inside - inside.max()) / (0.35 * inside.max())) ** 2)
        image = np.where(mask, 0.45 + body - nucleus, image)
        image += np.where(mask, -0.07 * np.exp(-inside / 2.0), 0.06 * np.exp(-outside / 3.5))
    image = ndimage.gaussian_filter(image, 1.1) + 0.02 * rng.standard_normal(image.shape)
    return np.repeat(image[..., None], 3, 2), masks


def rectangle(center, length, width, angle):
    c, s = math.cos(angle), math.sin(angle)
    return [(center[0] + c * x - s * y, center[1] + s * x + c * y)
            for x, y in [(-length, -width), (length, -width), (length, width), (-length, width)]]


PLANE = [(1, 0), (.8, .09), (.3, .1), (-.1, .95), (-.25, .95), (-.05, .1), (-.7, .07), (-.85, .38),
         (-.97, .38), (-.9, 0)]


def yard(rng):
    """Colour from above: things at any angle on patched ground, each with its shadow to one side."""
    tone = rng.uniform(0.35, 0.6) * np.array([1, rng.uniform(.92, 1.08), rng.uniform(.8, 1.05)])
    image = tone + 0.035 * noise(rng, [(30, 1), (4, 0.7), (1, 0.5)])[..., None]
    for _ in range(rng.integers(14, 24)):
        patch = polygon(rectangle(rng.uniform(0, SIZE, 2), rng.uniform(30, 160),
                                  rng.uniform(3, 60), rng.uniform(0, math.pi)))
        image[patch] = image[patch] * rng.uniform(0.75, 1.25) + rng.normal(0, 0.03, 3)
    sun, row = rng.uniform(0, 2 * math.pi), rng.uniform(0, math.pi)
    taken, masks = np.zeros((SIZE, SIZE), bool), []
    for _ in range(60):
        if len(masks) == 5:
            break
        center = rng.uniform(45, SIZE - 45, 2)
        angle = row + rng.normal(0, 0.1) + rng.integers(2) * math.pi / 2
        kind, length = rng.integers(3), rng.uniform(32, 56)
        if kind == 2:
            c, s = math.cos(angle), math.sin(angle)
            outline = [(length * x, length * y) for x, y in PLANE]
            outline += [(x, -y) for x, y in reversed(outline[1:-1])]
            points = [(center[0] + c * x - s * y, center[1] + s * x + c * y) for x, y in outline]
        else:
            points = rectangle(center, length, length * (0.36 if kind else 0.12), angle)
        mask = polygon(points)
        shift = [(x + 0.3 * length * math.cos(sun), y + 0.3 * length * math.sin(sun))
                 for x, y in points]
        shadow = polygon(shift) | mask
        if (ndimage.binary_dilation(shadow, iterations=1) & taken).any() or mask.sum() < 500:
            continue
        taken |= shadow
        masks.append(mask)
        image[shadow & ~mask] *= 0.4
        paint = tone * rng.uniform(0.45, 1.6) + rng.normal(0, 0.04, 3)
        image[mask] = paint
        if kind == 0:  # stripes of a container
            x = np.arange(SIZE)
            along = x[None] * math.cos(angle) + x[:, None] * math.sin(angle)
            image[mask & (along % 7 < 2)] *= 0.82
        elif kind == 1:  # windows of a car
            for place in (-0.45, 0.4):
                at = (center[0] + place * length * math.cos(angle),
                      center[1] + place * length * math.sin(angle))
                image[polygon(rectangle(at, length * 0.12, length * 0.28, angle)) & mask] = 0.12
    image = ndimage.gaussian_filter(image, (0.8, 0.8, 0)) + 0.012 * rng.standard_normal(image.shape)
    return image, masks


def pages(rng):
    """Printed lines, and on them pale stamps, plots without a frame, photographs, pen strokes."""
    image = np.full((SIZE, SIZE, 3), rng.uniform(0.85, 0.97)) * [1, 0.99, 0.96]
    image += 0.01 * noise(rng, [(50, 1), (1, 0.3)])[..., None]
    for y in range(18, SIZE - 12, int(rng.integers(9, 13))):
        x = 20
        while x < SIZE - 30:
            width = int(rng.integers(8, 36))
            for letter in range(x, min(x + width, SIZE - 20), 4):
                top = y - int(rng.integers(0, 3))
                image[top:y + 4, letter:letter + 2] = 0.25 + 0.1 * rng.random()
            x += width + 5
    taken, masks = np.zeros((SIZE, SIZE), bool), []
    for _ in range(60):
        if len(masks) == 5:
            break
        center, radius, kind = rng.uniform(55, SIZE - 55, 2), rng.uniform(24, 46), rng.integers(4)
        angle, ink = rng.uniform(-0.5, 0.5), rng.uniform(0, 0.6, 3)
        yy, xx = np.mgrid[:SIZE, :SIZE]
        away = np.hypot(xx - center[0], yy - center[1])
        if kind == 0:
            mask = away < radius
        elif kind == 1:
            mask = polygon(rectangle(center, radius * 1.2, radius * 0.5, angle * 2))
        elif kind == 2:
            mask = polygon(blob(rng, center, radius, 1.2, angle, 0.35))
        else:
            points = center + radius * np.array([(math.sin(a), -math.cos(a))
                                                 for a in (angle, angle + 2.2, angle + 4.1)])
            mask = polygon(points)
        if (ndimage.binary_dilation(mask, iterations=3) & taken).any() or mask.sum() < 500:
            continue
        taken |= mask
        masks.append(mask)
        depth = ndimage.distance_transform_edt(mask)[..., None]
        if kind in (0, 1):  # a translucent stamp with a rim
            cover = np.where(depth < 4, 0.75, 0.28) * (0.8 + 0.2 * rng.random(depth.shape))
            image = np.where(mask[..., None], image * (1 - cover) + ink * cover, image)
        else:
            fill = 0.5 + 0.18 * noise(rng, [(9, 1), (2, 0.6)])[..., None] + rng.normal(0, 0.1, 3)
            image = np.where(mask[..., None], fill, image)
    image = ndimage.gaussian_filter(image, (0.6, 0.6, 0)) + 0.01 * rng.standard_normal(image.shape)
    return image, masks


def run_lengths(mask):
    flat = np.concatenate([[0], mask.T.reshape(-1).astype(np.int8)])
    places = np.concatenate([[0], np.flatnonzero(np.diff(flat)), [mask.size]])
    return {"size": list(mask.shape), "counts": [int(n) for n in np.diff(places)]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=["cells", "yard", "pages"])
    parser.add_argument("folder")
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.makedirs(options.folder + "/images", exist_ok=True)
    images, truth = [], []
    for number in range(1, options.images + 1):
        rng = np.random.default_rng([options.seed, number])
        pixels, masks = globals()[options.kind](rng)
        name = f"{options.kind}-{number:03}.png"
        values = (np.clip(pixels, 0, 1) * 255).round().astype(np.uint8)
        Image.fromarray(values).save(f"{options.folder}/images/{name}")
        images.append({"id": number, "file_name": name, "width": SIZE, "height": SIZE})
        for mask in masks:
            ys, xs = np.nonzero(mask)
            box = [int(xs.min()), int(ys.min()), int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1]
            truth.append({
                "id": len(truth) + 1, "image_id": number, "category_id": 1, "bbox": box,
                "area": int(mask.sum()), "iscrowd": 0, "segmentation": run_lengths(mask)})
    file = {"images": images, "categories": [{"id": 1, "name": options.kind}]}
    for name, drops in [("truth.json", ()), ("boxes.json", ("segmentation", "area"))]:
        kept = [{k: v for k, v in record.items() if k not in drops} for record in truth]
        with open(f"{options.folder}/{name}", "w") as out:
            json.dump({**file, "annotations": kept}, out)
    print(f"{len(images)} images, {len(truth)} objects in {options.folder}")


if __name__ == "__main__":
    main()
