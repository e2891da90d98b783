#!/usr/bin/env python3
"""Fits the scores of masks to a model, without any mask that a human drew.

    tools/confidence/fit.py --train /data/coco-train                        # for the default model
    tools/confidence/fit.py --train /data/coco-train --model tiny --cutter default

Labels some training boxes, cuts out the objects that the model is sure of and pastes them over other photographs
(compose.py), so that their masks are known; labels those, and fits the numbers of ConfidenceModel to the IoUs.
They go into the metadata of the model file. docs/confidence.md explains. Needs numpy, Pillow and pycocotools, and
mal and bench of this clone (swift build -c release --product bench).
"""

import argparse
import json
import struct
import subprocess
from pathlib import Path

import numpy as np

import compose

MODELS = Path(__file__).parent.parent.parent / "Models"
FILES = {"default": MODELS / "mal-vits14.safetensors", "tiny": MODELS / "mal-vitt16.safetensors"}
RIDGE = 0.01
# The pictures are made with sizes and places of their own, which say nothing of photographs.
UNUSED = {"log_area", "log_aspect", "at_image_edge"}
# A number of the token counts for less than a feature: there are many of them.
TOKEN_SCALE = 0.3


def run(out, *command):
    """Runs a command unless its output is there already: a run that was stopped continues."""
    if not out.exists():
        subprocess.run([str(part) for part in command], check=True)


def read(path):
    """Names of the features; features, tokens and IoUs of all masks."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    rows = [line for line in lines[1:] if line["iou"] is not None]
    return lines[0]["names"], *(np.array([row[key] for row in rows], float) for key in ("features", "token", "iou"))


def logistic(x, y):
    """Ridge logistic regression on targets in 0…1 by Newton's method; the first column is free."""
    beta = np.zeros(x.shape[1])
    penalty = np.full(x.shape[1], RIDGE * len(x))
    penalty[0] = 1e-9
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ beta))
        gradient = x.T @ (y - p) - penalty * beta
        hessian = (x * (p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(hessian, gradient)
        beta += step
        if np.abs(step).max() < 1e-9:
            break
    return beta


def fit(names, features, tokens, iou):
    """What mal reads; without tokens it is of use for other networks too."""
    used = [place for place, name in enumerate(names) if name not in UNUSED | {"token"}]
    mean, deviation = features[:, used].mean(0), np.maximum(features[:, used].std(0), 1e-3)
    x = [np.ones((len(iou), 1)), np.clip((features[:, used] - mean) / deviation, -3, 3)]
    if tokens is not None:
        middle, scale = tokens.mean(0), TOKEN_SCALE / np.maximum(tokens.std(0), 1e-6)
        x.append((tokens - middle) * scale)
    beta = logistic(np.concatenate(x, 1), iou)
    terms = [{"feature": names[place], "mean": round(float(m), 4), "deviation": round(float(d), 4), "weight": round(float(w), 4)}
             for place, m, d, w in zip(used, mean, deviation, beta[1:])]
    result = {"bias": round(float(beta[0]), 4), "terms": terms, "knots": [[0, 0], [1, 1]]}
    if tokens is not None:
        weights = beta[1 + len(used):] * scale
        parts = tokens @ weights
        spread = round(float(parts.std()), 4)
        terms.append({"feature": "token", "mean": round(float(middle @ weights), 4), "deviation": spread, "weight": spread})
        result["token"] = [round(float(w), 4) for w in weights]
    return result


def predict(model, names, features, tokens):
    features = features.copy()
    if "token" in model:
        features[:, names.index("token")] = tokens @ model["token"]
    total = model["bias"] + sum(
        term["weight"] * np.clip((features[:, names.index(term["feature"])] - term["mean"]) / term["deviation"], -3, 3)
        for term in model["terms"])
    return 1 / (1 + np.exp(-total))


def area_under_curve(score, iou):
    """The chance that of a mask below 0.5 and one above it the first has the lower score."""
    bad, good = score[iou < 0.5], score[iou >= 0.5]
    return (bad[:, None] < good).mean() + (bad[:, None] == good).mean() / 2


def write_metadata(path, fit):
    """Puts the fit into a safetensors file's metadata; the tensors keep their bytes."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    metadata = {**header.get("__metadata__", {}), "score_fit": fit}
    metadata.pop("confidence", None)
    header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    part = path.with_suffix(".part")
    part.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size:])
    part.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=".build/release", help="folder with mal and bench")
    parser.add_argument("--train", type=Path, required=True, help="folder with boxes.json and images/ (no masks needed)")
    parser.add_argument("--model", default="default", help="a safetensors file, or default or tiny")
    parser.add_argument("--cutter", help="the model that cuts objects out, where it is another")
    parser.add_argument("--work", type=Path, default="/tmp/mal-confidence", help="what was computed is kept here")
    parser.add_argument("--boxes", type=int, default=1200, help="training boxes to cut objects from")
    parser.add_argument("--pictures", type=int, default=350, help="pictures to paste them into")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--general", type=Path, help="also write a fit without tokens, for other networks, to this file")
    options = parser.parse_args()
    work = options.work
    work.mkdir(parents=True, exist_ok=True)
    file = Path(FILES.get(options.model, options.model))
    cutter = Path(FILES.get(options.cutter, options.cutter or file))
    threads = ["--threads", options.threads] if options.threads else []

    boxes, labelled, features = (work / name for name in ("boxes.json", "masks.json", "features.jsonl"))
    if not boxes.exists():
        boxes.write_text(json.dumps(compose.subset(options.train / "boxes.json", options.boxes)))
    run(labelled, f"{options.build}/mal", "label", options.train / "images", "--boxes", boxes, "--out", labelled,
        "--checkpoint", cutter, "--features", features, "--quiet", *threads)
    made = work / "composites"
    if not (made / "boxes.json").exists():
        objects = compose.sure(labelled, features)
        print(f"{len(objects)} objects cut out", flush=True)
        compose.compose(options.train, objects, options.pictures, made)
    scores = work / f"{file.stem}.jsonl"
    run(scores, f"{options.build}/bench", "scores", "--images", made / "images", "--boxes", made / "boxes.json",
        "--checkpoint", file, "--out", scores, *threads)

    names, *table = read(scores)
    iou = table[2]
    folds = np.arange(len(iou)) * 5 // len(iou)
    held_out = np.zeros(len(iou))
    for fold in range(5):
        model = fit(names, *(part[folds != fold] for part in table))
        held_out[folds == fold] = predict(model, names, *(part[folds == fold] for part in table[:2]))
    print(f"{len(iou)} pasted objects, mean IoU {iou.mean():.3f}, {(iou < 0.5).mean():.1%} below 0.5; held out, the AUROC "
          f"is {area_under_curve(held_out, iou):.3f}, the mean score {held_out.mean():.3f}")
    write_metadata(file, json.dumps(fit(names, *table), separators=(",", ":")))
    if options.general:
        options.general.write_text(json.dumps(fit(names, table[0], None, iou), separators=(",", ":")) + "\n")
    print(f"{file}: check with `mal evaluate`")


if __name__ == "__main__":
    main()
