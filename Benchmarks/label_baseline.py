#!/usr/bin/env python3
"""Labelling as a PyTorch user would write it: a DataLoader that opens, crops and resizes each box's image with
Pillow, the network of pytorch_baseline.py, masks pasted into their image and run-length encoded.

  label_baseline.py checkpoint OUT.pth --arch base       random weights under mal's names, for `mal label`
  label_baseline.py run BOXES.json IMAGES --arch base --crop 512 --batch 16 [--device cuda --amp bf16] [--workers N]

`run` prints one JSON line. The network's weights are random too: they do not change its time.
"""
import argparse
import json
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

import pytorch_baseline as baseline

try:
    from pycocotools import mask as coco_mask
except ImportError:
    coco_mask = None


def checkpoint(path, arch):
    width, depth, _ = baseline.ARCHS[arch]
    shapes = {
        "backbone.cls_token": (1, 1, width), "backbone.pos_embed": (1, 197, width),
        "backbone.patch_embed.proj.weight": (width, 3, 16, 16), "backbone.patch_embed.proj.bias": (width,),
        "backbone.norm.weight": (width,), "backbone.norm.bias": (width,)}
    layers = {"attn.qkv": (3 * width, width), "attn.proj": (width, width), "mlp.fc1": (4 * width, width),
              "mlp.fc2": (width, 4 * width), "norm1": (width,), "norm2": (width,)}
    for block in range(depth):
        for name, shape in layers.items():
            shapes[f"backbone.blocks.{block}.{name}.weight"] = shape
            shapes[f"backbone.blocks.{block}.{name}.bias"] = shape[:1]
    for name, inputs in (("mlp1", width), ("mlp2", 256)):
        shapes[f"roi_head.{name}.weight"], shapes[f"roi_head.{name}.bias"] = (256, inputs), (256,)
    for index in range(4):
        inputs = width if index == 0 else 256
        shapes[f"mask_head.convs.{index}.conv.weight"] = (256, inputs, 3, 3)
        shapes[f"mask_head.convs.{index}.conv.bias"] = (256,)
    chance = torch.Generator().manual_seed(0)
    state = {
        f"{role}.{name}": torch.randn(shape, generator=chance) * 0.02
        for role in ("student", "teacher") for name, shape in shapes.items()}
    torch.save({"state_dict": state}, path)


class Crops(torch.utils.data.Dataset):
    def __init__(self, path, folder, crop):
        with open(path) as file:
            found = json.load(file)
        self.names = {image["id"]: image["file_name"] for image in found["images"]}
        self.boxes = found["annotations"]
        self.folder, self.crop = folder, crop

    def __len__(self):
        return len(self.boxes)

    def __getitem__(self, index):
        box = self.boxes[index]
        image = np.asarray(Image.open(os.path.join(self.folder, self.names[box["image_id"]])).convert("RGB"))
        x, y, w, h = box["bbox"]
        left, top = math.floor(x - 0.15 * w), math.floor(y - 0.15 * h)
        right, bottom = math.ceil(x + 1.15 * w + 1), math.ceil(y + 1.15 * h + 1)
        rows, columns = np.arange(top, bottom) % image.shape[0], np.arange(left, right) % image.shape[1]
        side = (self.crop, self.crop)
        crop = np.asarray(Image.fromarray(image[rows][:, columns]).resize(side))
        inside = np.zeros((bottom - top, right - left), np.uint8)
        inside[int(y) - top:int(y + h) - top + 1, int(x) - left:int(x + w) - left + 1] = 1
        inside = np.asarray(Image.fromarray(inside).resize(side))
        mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
        pixels = (crop.astype(np.float32) / 255 - mean) / deviation
        return (
            torch.from_numpy(pixels.transpose(2, 0, 1).copy()), torch.from_numpy(inside.astype(np.float32))[None],
            torch.tensor([x, y, x + w, y + h], dtype=torch.float32),
            torch.tensor([left, top, right, bottom, image.shape[0], image.shape[1]]))


def encoded(mask):
    if coco_mask:
        return coco_mask.encode(np.asfortranarray(mask))
    flat = mask.T.reshape(-1)
    edges = np.flatnonzero(np.diff(flat)) + 1
    return np.diff(np.concatenate([[0], edges, [flat.size]]))


def paste(probability, place):
    left, top, right, bottom, height, width = place
    window = F.interpolate(probability[None, None], (bottom - top, right - left), mode="bilinear")[0, 0]
    mask = np.zeros((height, width), np.uint8)
    y0, x0, y1, x1 = max(top, 0), max(left, 0), min(bottom, height), min(right, width)
    mask[y0:y1, x0:x1] = window[y0 - top:y1 - top, x0 - left:x1 - left].numpy() > 0.1
    return encoded(mask)


def run(o):
    if o.threads:
        torch.set_num_threads(o.threads)
    amp = {"none": None, "fp16": torch.float16, "bf16": torch.bfloat16}[o.amp]
    network = baseline.MaskNetwork(o.arch).to(o.device).eval()
    loader = torch.utils.data.DataLoader(
        Crops(o.boxes, o.images, o.crop), batch_size=o.batch, num_workers=o.workers, pin_memory=o.device == "cuda")
    start, count = time.perf_counter(), 0
    with torch.no_grad():
        for image, inside, boxes, places in loader:
            image, inside, boxes = (t.to(o.device, non_blocking=True) for t in (image, inside, boxes))
            with torch.autocast(o.device, dtype=amp, enabled=amp is not None):
                logits = network(image, boxes)
            whole = F.interpolate(logits.float(), (o.crop, o.crop), mode="bilinear").sigmoid() * inside
            for probability, place in zip(whole[:, 0].cpu(), places.tolist()):
                paste(probability, place)
                count += 1
    seconds = time.perf_counter() - start
    print(json.dumps({
        "what": "label", "arch": o.arch, "crop": o.crop, "batch": o.batch, "device": o.device, "amp": o.amp,
        "torch": torch.__version__, "workers": o.workers, "boxes": count, "seconds": seconds,
        "boxes_per_second": count / seconds}))


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = a.add_subparsers(dest="command", required=True)
    c = commands.add_parser("checkpoint")
    c.add_argument("path")
    r = commands.add_parser("run")
    r.add_argument("boxes")
    r.add_argument("images")
    for command in (c, r):
        command.add_argument("--arch", default="base", choices=baseline.ARCHS)
    r.add_argument("--crop", type=int, default=512)
    r.add_argument("--batch", type=int, default=16)
    r.add_argument("--device", default="cpu")
    r.add_argument("--amp", default="none", choices=["none", "fp16", "bf16"])
    r.add_argument("--workers", type=int, default=2)
    r.add_argument("--threads", type=int, default=0)
    o = a.parse_args()
    if o.command == "checkpoint":
        checkpoint(o.path, o.arch)
    else:
        run(o)


if __name__ == "__main__":
    main()
