"""The masks of an int8 export beside float32's, in onnxruntime and OpenVINO, against true masks.

    python3 -m venv VENV && VENV/bin/pip install onnx onnxruntime openvino numpy Pillow pycocotools
    VENV/bin/python tools/onnx/int8.py --images val/images --boxes val/instances.json --calibrate train/images \
        --calibrate-boxes train/instances.json --checkpoint tiny

Each file goes through onnx.checker first. For each runtime: the mean IoU with the true masks in float32 and int8, how far the
int8 masks agree with float32's, and seconds a crop, the median of batches of 8. Exits with 1 when int8 loses more than 0.005.
"""

import argparse
import json
import pathlib
import sys
import tempfile
import time

import numpy as np
import onnx
from PIL import Image
from pycocotools import mask as coco_mask

import check


def sized(document, images, side, limit):
    """(annotation, crop, area, columns, rows, size of the photograph) of each box that TAO's filter keeps."""
    names = {image["id"]: image["file_name"] for image in document["images"]}
    picture, latest = None, None
    for annotation in sorted(document["annotations"], key=lambda item: item["image_id"])[:limit]:
        x, y, width, height = annotation["bbox"]
        if width <= 2 or height <= 2:
            continue
        if latest != annotation["image_id"]:
            latest = annotation["image_id"]
            picture = np.asarray(Image.open(pathlib.Path(images) / names[latest]).convert("RGB"))
        left, right, top, bottom = check.window(annotation["bbox"])
        rows, columns = np.arange(top, bottom), np.arange(left, right)
        crop = picture[rows % picture.shape[0]][:, columns % picture.shape[1]]
        crop = Image.fromarray(crop).resize((side, side), Image.BICUBIC)
        yield annotation, np.asarray(crop), width * height, (left, right), (top, bottom), picture.shape[:2]


def pasted(logit, annotation, columns, rows, size, side):
    """The mask in its photograph, threshold 0.5."""
    crop = Image.fromarray(logit).resize((side, side), Image.BILINEAR)
    crop = np.asarray(crop.resize((columns[1] - columns[0], rows[1] - rows[0]), Image.BILINEAR)) > 0
    mask = np.zeros(size, np.uint8)
    left, top = max(columns[0], 0), max(rows[0], 0)
    part = crop[top - rows[0]:, left - columns[0]:][:size[0] - top, :size[1] - left]
    mask[top:top + part.shape[0], left:left + part.shape[1]] = part
    x, y, width, height = annotation["bbox"]
    mask[:int(y)], mask[int(np.ceil(y + height)):] = 0, 0
    mask[:, :int(x)], mask[:, int(np.ceil(x + width)):] = 0, 0
    return mask


def truth(annotation, size):
    shape = annotation["segmentation"]
    if isinstance(shape, list):
        return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(shape, *size)))
    return coco_mask.decode(coco_mask.frPyObjects(shape, *size) if isinstance(shape["counts"], list) else shape)


def overlap(a, b):
    either = np.logical_or(a, b).sum()
    return np.logical_and(a, b).sum() / either if either else 1.0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", required=True)
    parser.add_argument("--boxes", required=True)
    parser.add_argument("--calibrate", required=True)
    parser.add_argument("--calibrate-boxes", required=True)
    parser.add_argument("--checkpoint", default="tiny")
    parser.add_argument("--crop", type=int, default=224)
    parser.add_argument("--limit", type=int, default=100_000)
    parser.add_argument("--runtime", action="append", choices=check.RUNTIMES)
    o = parser.parse_args()
    lost = 0
    with tempfile.TemporaryDirectory() as work:
        files = {}
        for precision in ("fp32", "int8"):
            files[precision] = pathlib.Path(work) / f"{precision}.onnx"
            options = ["--calibrate", o.calibrate, "--boxes", o.calibrate_boxes] if precision == "int8" else []
            print(check.run(check.BUILD / "mal", "export", files[precision], "--checkpoint", o.checkpoint, "--crop-size",
                            o.crop, "--precision", precision, *options).strip())
            onnx.checker.check_model(str(files[precision]), full_check=True)
        boxes = list(sized(json.loads(pathlib.Path(o.boxes).read_text()), o.images, o.crop, o.limit))
        for runtime in o.runtime or check.RUNTIMES:
            models = {precision: check.RUNTIMES[runtime](path) for precision, path in files.items()}
            masks, fastest = {"fp32": [], "int8": []}, {"fp32": [], "int8": []}
            for start in range(0, len(boxes), 8):
                part = boxes[start:start + 8]
                image = np.stack([item[1] for item in part]).transpose(0, 3, 1, 2).astype(np.float32)
                area = np.asarray([item[2] for item in part], np.float32)
                for precision, model in models.items():
                    begin = time.perf_counter()
                    logits = model(image, area)
                    fastest[precision].append((time.perf_counter() - begin) / len(part))
                    masks[precision] += [
                        pasted(logit, item[0], *item[3:], o.crop) for item, logit in zip(part, logits[:, 0])]
            means = {
                precision: np.mean([overlap(mask, truth(item[0], item[5])) for mask, item in zip(found, boxes)])
                for precision, found in masks.items()}
            agreement = [overlap(a, b) for a, b in zip(masks["fp32"], masks["int8"])]
            seconds = {precision: np.median(times) for precision, times in fastest.items()}
            lost += means["fp32"] - means["int8"] > 0.005
            print(f"{o.checkpoint} {runtime}: {len(boxes)} boxes, mean IoU fp32 {means['fp32']:.4f} int8 {means['int8']:.4f} "
                  f"({means['int8'] - means['fp32']:+.4f}), agreement {np.mean(agreement):.4f}, seconds a crop "
                  f"{seconds['fp32']:.4f} and {seconds['int8']:.4f} ({seconds['int8'] / seconds['fp32']:.2f})", flush=True)
    sys.exit(lost > 0)


if __name__ == "__main__":
    main()
