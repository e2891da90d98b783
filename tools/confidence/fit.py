#!/usr/bin/env python3
"""Fits the confidence of masks to a model, without true masks of any validation set.

    python tools/confidence/fit.py --mal .build/release/mal --train /data/coco-train

Labels some training boxes four ways (variants.py), measures how far the masks agree, and how far
they match the few outlines in outlines.json, which were drawn by hand for this. Fits the weights of
ConfidenceModel to both and writes them into the metadata of the model file. docs/confidence.md explains. Needs numpy,
Pillow and pycocotools.
"""

import argparse
import json
import struct
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

import variants

HERE = Path(__file__).parent
MODELS = HERE.parent.parent / "Models"
FILES = {"default": MODELS / "mal-vits14.safetensors", "tiny": MODELS / "mal-vitt16.safetensors"}
# An outline is worth as much as this many agreements: it speaks of the truth, they of steadiness.
OUTLINE_WEIGHT = 4.0
RIDGE = 0.02


def outline_iou(outlines, boxes, images, masks):
    """IoU of each outlined box's mask with its outline (percent of the box, x and y in turn)."""
    found = {}
    for key, polygons in outlines.items():
        box, mask = boxes.get(key), masks.get(key)
        if box is None or mask is None:
            continue
        x, y, w, h = box["bbox"]
        height, width = images[box["image_id"]]
        pixels = [[(x + w * p / 100 if i % 2 == 0 else y + h * p / 100) for i, p in enumerate(polygon)]
                  for polygon in polygons]
        truth = coco_mask.merge(coco_mask.frPyObjects(pixels, height, width))
        found[key] = float(coco_mask.iou([mask], [truth], [0])[0][0])
    return found


def logistic(x, y, weight, ridge, free):
    """Weighted logistic regression on targets in 0…1 by Newton's method; `free` columns unpunished."""
    beta = np.zeros(x.shape[1])
    penalty = np.where(free, 1e-9, ridge * weight.sum())
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ beta))
        gradient = x.T @ (weight * (y - p)) - penalty * beta
        hessian = (x * (weight * p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        beta += step
        if np.abs(step).max() < 1e-9:
            break
    return beta


def design(features, names, mean, deviation):
    return np.clip((np.array([[f[n] for n in names] for f in features]) - mean) / deviation, -3, 3)


def fit(features, agree, outlines, ridge=RIDGE, only=None):
    """Weights for all features; the agreements have a level of their own, since they are higher."""
    names = list(next(iter(features.values())))
    table = np.array([[f[n] for n in names] for f in features.values()])
    mean, deviation = table.mean(0), np.maximum(table.std(0), 1e-3)
    keys = [k for k in agree if agree[k] is not None]
    drawn = list(outlines)
    rows = design([features[k] for k in keys + drawn], names, mean, deviation)
    is_agreement = np.array([1.0] * len(keys) + [0.0] * len(drawn))
    x = np.column_stack([np.ones(len(rows)), is_agreement, rows])
    y = np.array([agree[k] for k in keys] + [outlines[k] for k in drawn])
    weight = np.where(is_agreement > 0, 1.0, OUTLINE_WEIGHT)
    free = np.array([True, True] + [False] * len(names))
    beta = logistic(x, y, weight, ridge, free)
    return names, mean, deviation, beta[0], beta[2:]


def correction(raw, truth):
    """Two numbers (slope, shift) in logit space, the slope kept positive: monotone, and little enough
    to be learned from few outlines. Returned as knots."""
    logit = np.log(raw / (1 - raw))
    centre = logit.mean()
    x = np.column_stack([np.ones(len(raw)), logit - centre])
    # The slope is held near 1 by as many made-up points as there are outlines.
    beta = np.array([0.0, 1.0])
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ beta))
        gradient = x.T @ (truth - p) - np.array([0, len(raw) * 0.02]) * (beta - [0, 1])
        hessian = (x * (p * (1 - p))[:, None]).T @ x + np.diag([1e-9, len(raw) * 0.02])
        beta += np.linalg.solve(hessian, gradient)
    slope = max(beta[1], 0.1)
    at = np.linspace(0.05, 0.95, 19)
    value = 1 / (1 + np.exp(-(beta[0] + slope * (np.log(at / (1 - at)) - centre))))
    return [(0.0, 0.0), *((round(a, 2), round(float(v), 4)) for a, v in zip(at, value)), (1.0, 1.0)]


def predict(feature, model):
    names, mean, deviation, bias, weights = model
    return 1 / (1 + np.exp(-(bias + design([feature], names, mean, deviation)[0] @ weights)))


def held_out(features, agree, outlines):
    """Raw estimates of the outlined masks, each by a fit that did not see its outline."""
    raw = {}
    drawn = list(outlines)
    for part in range(10):
        kept = {k: v for i, (k, v) in enumerate(outlines.items()) if i % 10 != part}
        others = {k: v for k, v in agree.items() if k not in set(drawn[part::10])}
        model = fit(features, others, kept)
        for key in drawn[part::10]:
            raw[key] = float(predict(features[key], model))
    return np.array([raw[k] for k in drawn])


def as_json(model, knots):
    """What mal reads, without line breaks: journals keep it too."""
    names, mean, deviation, bias, weights = model
    terms = [{"feature": name, "mean": round(float(m), 4), "deviation": round(float(d), 4), "weight": round(float(w), 4)}
             for name, m, d, w in zip(names, mean, deviation, weights)]
    return json.dumps({"bias": round(float(bias), 4), "terms": terms, "knots": knots}, separators=(",", ":"))


def write_metadata(path, fit):
    """Puts the fit into a safetensors file's metadata; the tensors keep their bytes."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header["__metadata__"] = dict(sorted({**header.get("__metadata__", {}), "confidence": fit}.items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    part = path.with_suffix(".part")
    part.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size:])
    part.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mal", default=".build/release/mal")
    parser.add_argument("--train", required=True, help="folder with boxes.json and images/ (no masks needed)")
    parser.add_argument("--model", default="default", help="a safetensors file, or default or tiny")
    parser.add_argument("--work", default="/tmp/mal-confidence", help="what was computed is kept here")
    parser.add_argument("--boxes", type=int, default=380, help="training boxes to label four ways")
    options = parser.parse_args()
    train, work = Path(options.train), Path(options.work)
    file = Path(FILES.get(options.model, options.model))

    outlines = {int(k): v for k, v in json.loads((HERE / "outlines.json").read_text()).items()}
    data = variants.subset(train / "boxes.json", options.boxes, always=outlines)
    features, masks = variants.run(options.mal, data, train / "images", work, str(file))
    agree = {key: variants.agreement(masks, key) for key in features}
    boxes = {b["id"]: b for b in data["annotations"]}
    sizes = {i["id"]: (i["height"], i["width"]) for i in data["images"]}
    drawn = outline_iou(outlines, boxes, sizes, masks["main"])
    truth = np.array(list(drawn.values()))

    raw = held_out(features, agree, drawn)
    knots = correction(raw, truth)
    score = np.interp(raw, [a for a, _ in knots], [v for _, v in knots])
    model = fit(features, agree, drawn)
    agreed = np.array([v for v in agree.values() if v is not None])
    print(f"{len(agreed)} training boxes labelled four ways (mean agreement {agreed.mean():.3f}), {len(truth)} outlines drawn "
          f"by hand (mean IoU {truth.mean():.3f}); held out, the score's correlation with their IoU is "
          f"{np.corrcoef(score, truth)[0, 1]:.2f}, its mean distance {np.abs(score - truth).mean():.3f}.")
    write_metadata(file, as_json(model, knots))
    for name, weight in sorted(zip(model[0], model[4]), key=lambda pair: -abs(pair[1])):
        print(f"{weight:8.3f}  {name}")
    print(f"{file}: check with `mal evaluate`")


if __name__ == "__main__":
    main()
