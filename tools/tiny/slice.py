#!/usr/bin/env python3
"""Makes the ViT-tiny/16 that specs/train-tiny.yaml begins from: half of the ViT-S/14's width, in backbone and heads.

    tools/tiny/slice.py --model Models/mal-vits14.safetensors --train data/train --out weights/tiny-cut.safetensors
    mal train -e specs/train-tiny.yaml          # trains it a little on

Nothing is trained. The residual stream is turned to its principal directions and cut to the first 192 (the idea of
SliceGPT, Ashkboos et al. 2024); each block keeps the three heads and the 768 hidden units that add most to it;
what is left out is made good, block by block, by least squares against the large network's stream on some crops of the training
boxes (no mask is read). The heads keep 96 of their 256 channels in the same way. Patches of 14 pixels become patches of 16: the large network sees the same crops at 196 pixels, so that their tokens
lie at the same places.

Needs torch, numpy, Pillow and safetensors. TRAIN holds boxes.json and images/.
"""

import argparse
import json
import math
import os

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file

WIDE, SLIM = 384, 192
HEADS, KEPT_HEADS, HEAD_WIDTH = 6, 3, 64
KEPT_HIDDEN = 768
KEPT_CHANNELS = 96
DEPTH, BATCH, GRID = 12, 16, 14
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def crops(folder, count):
    """Crops around boxes above 1,000 px², with random margins: at 196 and at 224 pixels."""
    with open(os.path.join(folder, "boxes.json")) as file:
        data = json.load(file)
    names = {image["id"]: image["file_name"] for image in data["images"]}
    boxes = [a for a in data["annotations"] if a["bbox"][2] * a["bbox"][3] > 1000]
    random = np.random.default_rng(0)
    chosen = random.permutation(len(boxes))[:count]
    result = ([], [])
    for index in sorted(chosen, key=lambda index: boxes[index]["image_id"]):
        x, y, w, h = boxes[index]["bbox"]
        with Image.open(os.path.join(folder, "images", names[boxes[index]["image_id"]])) as image:
            image = image.convert("RGB")
        margin = 0.15 + 0.15 * random.random()
        box = (max(0, x - margin * w), max(0, y - margin * h),
               min(image.width, x + (1 + margin) * w), min(image.height, y + (1 + margin) * h))
        for list_, side in zip(result, (196, 224)):
            pixels = np.asarray(image.resize((side, side), Image.BICUBIC, box=box)).copy()
            list_.append((torch.from_numpy(pixels).permute(2, 0, 1) / 255 - MEAN) / STD)
    return [torch.stack(list_) for list_ in result]


def normalised(x, weight=None, bias=None):
    return F.layer_norm(x, x.shape[-1:], weight, bias, 1e-6)


def centred(x):
    """Layer norm takes no notice of the mean over channels."""
    return x - x.mean(-1, keepdim=True)


def attention(qkv, heads):
    """Of (B, N, 3·C): what each head reads, (B, N, heads, C / heads)."""
    b, n, _ = qkv.shape
    q, k, v = qkv.reshape(b, n, 3, heads, HEAD_WIDTH).permute(2, 0, 3, 1, 4)
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2)


def in_batches(function, *tensors):
    parts = [function(*(t[start:start + BATCH] for t in tensors)) for start in range(0, len(tensors[0]), BATCH)]
    return torch.cat(parts)


def least_squares(inputs, targets):
    """Weight and bias of the linear layer nearest to the targets."""
    a = torch.cat([inputs, torch.ones(len(inputs), 1)], 1).double()
    products = a.T @ a
    products += 1e-3 * products.diagonal().mean() * torch.eye(len(products), dtype=torch.double)
    solution = torch.linalg.solve(products, a.T @ targets.double()).float()
    return solution[:-1].T.contiguous(), solution[-1].contiguous()


class Large:
    """The network to cut: its stream at every layer norm, and what each head and hidden unit adds."""

    def __init__(self, path, images):
        tensors = load_file(path)
        self.heads = {k[len("student."):]: v.float() for k, v in tensors.items() if "_head." in k}
        prefix = "student.backbone."
        self.w = {k[len(prefix):]: v.float() for k, v in tensors.items() if k.startswith(prefix)}
        table = self.w["pos_embed"][:, 1:].reshape(1, 37, 37, WIDE).permute(0, 3, 1, 2)
        table = F.interpolate(table, size=(GRID, GRID), mode="bicubic", align_corners=False)
        self.positions = torch.cat([self.w["pos_embed"][:, :1], table.flatten(2).transpose(1, 2)], 1)
        self.streams = [in_batches(self.stem, images)]
        self.middles, self.head_shares, self.unit_shares = [], [], []
        for index in range(DEPTH):
            self.block(f"blocks.{index}.")

    def stem(self, images):
        x = F.conv2d(images, self.w["patch_embed.proj.weight"], self.w["patch_embed.proj.bias"], stride=14)
        x = x.flatten(2).transpose(1, 2)
        return torch.cat([self.w["cls_token"].expand(len(x), -1, -1), x], 1) + self.positions

    def block(self, p):
        w, x = self.w, self.streams[-1]

        def read(x):
            qkv = F.linear(normalised(x, w[p + "norm1.weight"], w[p + "norm1.bias"]),
                           w[p + "attn.qkv.weight"], w[p + "attn.qkv.bias"])
            return attention(qkv, HEADS)

        def hidden(x):
            return F.gelu(F.linear(normalised(x, w[p + "norm2.weight"], w[p + "norm2.bias"]),
                                   w[p + "mlp.fc1.weight"], w[p + "mlp.fc1.bias"]))

        heads = in_batches(read, x)
        proj = w[p + "ls1.gamma"][:, None] * w[p + "attn.proj.weight"]
        bias = w[p + "ls1.gamma"] * w[p + "attn.proj.bias"]
        middle = x + F.linear(heads.flatten(2), proj, bias)
        varying = heads - heads.mean((0, 1))
        self.head_shares.append(torch.stack([
            (varying[:, :, h] @ proj[:, HEAD_WIDTH * h:HEAD_WIDTH * (h + 1)].T).pow(2).sum() for h in range(HEADS)]))
        second = w[p + "ls2.gamma"][:, None] * w[p + "mlp.fc2.weight"]
        count = total = squares = 0
        parts = []
        for start in range(0, len(x), BATCH):
            m = middle[start:start + BATCH]
            u = hidden(m)
            total, squares, count = total + u.sum((0, 1)), squares + u.pow(2).sum((0, 1)), count + u.shape[0] * u.shape[1]
            parts.append(m + F.linear(u, second, w[p + "ls2.gamma"] * w[p + "mlp.fc2.bias"]))
        self.unit_shares.append((squares / count - (total / count) ** 2) * second.pow(2).sum(0))
        self.middles.append(middle)
        self.streams.append(torch.cat(parts))

    def directions(self):
        """The 192 principal directions of the normalised stream over all layer norms, (384, 192).

        They are turned so that the mean over the new channels, which layer norm takes away, is along the least.
        """
        def covariance(x):
            z = normalised(x).flatten(0, 1)
            return z.T @ z / len(z)

        sites = self.streams[:-1] + self.middles
        # The last norm is what the heads read.
        total = sum(covariance(x) for x in sites) + 6 * covariance(self.streams[-1])
        values, vectors = torch.linalg.eigh(total)
        print(f"variance kept: {(values[-SLIM:].sum() / values.sum()).item():.3f}")
        torch.manual_seed(0)
        basis, _ = torch.linalg.qr(torch.cat([torch.ones(SLIM, 1), torch.randn(SLIM, SLIM - 1)], 1))
        return vectors[:, -SLIM:].flip(1) @ torch.cat([basis[:, 1:], basis[:, :1]], 1).T


def slim(large, images):
    """The tensors of a ViT-tiny/16 with timm's names."""
    w, s = large.w, {}
    p_ = large.directions()
    cut = lambda x: centred(x) @ p_

    # Patches, by least squares too.
    targets = cut(large.streams[0])
    s["pos_embed"] = cut(large.positions)
    s["cls_token"] = cut(w["cls_token"])
    patches = F.unfold(images, 16, stride=16).transpose(1, 2)
    weight, bias = least_squares(patches.flatten(0, 1), (targets - s["pos_embed"])[:, 1:].flatten(0, 1))
    s["patch_embed.proj.weight"], s["patch_embed.proj.bias"] = weight.reshape(SLIM, 3, 16, 16), bias
    tokens = F.linear(patches, weight, bias)
    y = torch.cat([s["cls_token"].expand(len(tokens), -1, -1), tokens], 1) + s["pos_embed"]

    def fold(layer, norm, rows, source):
        """A layer after a norm, on the slim stream: its norm has weight 1 and bias 0."""
        ratio = (y.var(-1, unbiased=False).sqrt() / centred(source).pow(2).mean(-1).sqrt()).mean()
        weight = (w[layer + ".weight"] * w[norm + ".weight"]) @ p_ * ratio
        bias = w[layer + ".bias"] + w[layer + ".weight"] @ w[norm + ".bias"]
        s[layer + ".weight"], s[layer + ".bias"] = weight[rows].contiguous(), bias[rows].contiguous()
        s[norm + ".weight"], s[norm + ".bias"] = torch.ones(SLIM), torch.zeros(SLIM)

    for index in range(DEPTH):
        p = f"blocks.{index}."
        heads = large.head_shares[index].topk(KEPT_HEADS).indices.sort().values.tolist()
        rows = torch.cat([torch.arange(HEAD_WIDTH) + HEAD_WIDTH * h + WIDE * part for part in range(3) for h in heads])
        fold(p + "attn.qkv", p + "norm1", rows, large.streams[index])
        read = in_batches(lambda y: attention(F.linear(
            normalised(y), s[p + "attn.qkv.weight"], s[p + "attn.qkv.bias"]), KEPT_HEADS).flatten(2), y)
        weight, bias = least_squares(read.flatten(0, 1), (cut(large.middles[index]) - y).flatten(0, 1))
        s[p + "attn.proj.weight"], s[p + "attn.proj.bias"] = weight, bias
        y = y + F.linear(read, weight, bias)

        units = large.unit_shares[index].topk(KEPT_HIDDEN).indices.sort().values
        fold(p + "mlp.fc1", p + "norm2", units, large.middles[index])
        hidden = F.gelu(F.linear(normalised(y), s[p + "mlp.fc1.weight"], s[p + "mlp.fc1.bias"]))
        target = cut(large.streams[index + 1])
        weight, bias = least_squares(hidden.flatten(0, 1), (target - y).flatten(0, 1))
        s[p + "mlp.fc2.weight"], s[p + "mlp.fc2.bias"] = weight, bias
        y = y + F.linear(hidden, weight, bias)
        kept = 1 - (y - target).pow(2).sum() / (target - target.mean((0, 1))).pow(2).sum()
        print(f"block {index + 1}: {kept.item():.3f} of the stream's variance", flush=True)
    s["norm.weight"], s["norm.bias"] = torch.ones(SLIM), torch.zeros(SLIM)
    tensors = {"backbone." + name: tensor for name, tensor in s.items()}
    # The large network's features are a linear map of the slim one's: gain · P · ratio · z + bias.
    ratio = (y.var(-1, unbiased=False).sqrt() / centred(large.streams[-1]).pow(2).mean(-1).sqrt()).mean()
    spread = w["norm.weight"][:, None] * p_ * ratio
    wide = normalised(large.streams[-1], w["norm.weight"], w["norm.bias"])
    return tensors | slim_heads(large.heads, maps(wide), maps(normalised(y)), spread, w["norm.bias"])


def maps(tokens):
    return tokens[:, 1:].transpose(1, 2).unflatten(2, (GRID, GRID))


def most(shares):
    return shares.topk(KEPT_CHANNELS).indices.sort().values


def patches3(x):
    """What a 3×3 convolution sees at each pixel, (pixels, 9·C)."""
    return F.unfold(x, 3, padding=1).transpose(1, 2).flatten(0, 1)


def rows(x):
    return x.permute(0, 2, 3, 1).flatten(0, 2)


def resized(x, side):
    return F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)


def slim_heads(w, wide, z, spread, bias):
    """Heads of 96 channels: the channels that say most, refitted to what those of the large heads gave."""
    s = {}

    # Key head.
    pooled = wide.mean((2, 3))
    units = F.relu(F.linear(pooled, w["roi_head.mlp1.weight"], w["roi_head.mlp1.bias"]))
    keys = F.linear(units, w["roi_head.mlp2.weight"], w["roi_head.mlp2.bias"])
    kept = most(units.var(0) * w["roi_head.mlp2.weight"].pow(2).sum(0))
    s["roi_head.mlp1.weight"] = w["roi_head.mlp1.weight"][kept] @ spread
    s["roi_head.mlp1.bias"] = w["roi_head.mlp1.bias"][kept] + w["roi_head.mlp1.weight"][kept] @ bias
    slim_units = F.relu(F.linear(z.mean((2, 3)), s["roi_head.mlp1.weight"], s["roi_head.mlp1.bias"]))

    # Value head, at the sizes of medium and of some large objects.
    part = max(1, len(z) // 8)
    large, small = [wide, resized(wide[:part], 2 * GRID)], [z, resized(z[:part], 2 * GRID)]
    for index in range(4):
        name = f"mask_head.convs.{index}.conv."
        weight, offset = w[name + "weight"], w[name + "bias"]
        if index == 3:
            large, small = ([resized(x, 2 * x.shape[2]) for x in list_] for list_ in (large, small))
        results = [F.conv2d(x, weight, offset, padding=1) for x in large]
        large = [F.relu(x) for x in results]
        flat = rows(large[0])
        if index < 3:
            reach = w[f"mask_head.convs.{index + 1}.conv.weight"].pow(2).sum((0, 2, 3))
            kept = most(flat.var(0) * reach)
        else:
            kept = most(flat.var(0) * keys.pow(2).mean(0))
        inputs = torch.cat([patches3(x) for x in small])
        targets = torch.cat([rows(x[:, kept]) for x in results])
        fitted, offset = least_squares(inputs, targets)
        s[name + "weight"] = fitted.unflatten(1, (small[0].shape[1], 3, 3))
        s[name + "bias"] = offset
        small = [F.relu(F.conv2d(x, s[name + "weight"], offset, padding=1)) for x in small]
        print(f"mask head {index + 1}: {1 - ((rows(small[0]) - flat[:, kept]).pow(2).sum() / flat[:, kept].sub(flat[:, kept].mean(0)).pow(2).sum()).item():.3f}")

    # Values that were left out are guessed from those that are there: their keys go to these.
    guess, _ = least_squares(torch.cat([rows(x) for x in small]), torch.cat([rows(x) for x in large]))
    slim_keys = keys @ guess
    s["roi_head.mlp2.weight"], s["roi_head.mlp2.bias"] = least_squares(slim_units, slim_keys)
    found = F.linear(slim_units, s["roi_head.mlp2.weight"], s["roi_head.mlp2.bias"])
    logits = torch.einsum("nk,nkhw->nhw", keys, large[0])
    slim_logits = torch.einsum("nk,nkhw->nhw", found, small[0])
    same = ((logits > 0) == (slim_logits > 0)).float().mean().item()
    print(f"pixels on the same side: {same:.3f}")
    return s


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a ViT-S/14 of mal, .safetensors")
    parser.add_argument("--train", required=True, help="folder with boxes.json and images/")
    parser.add_argument("--out", required=True)
    parser.add_argument("--crops", type=int, default=256)
    options = parser.parse_args()
    with torch.inference_mode():
        small, large = crops(options.train, options.crops)
        tensors = slim(Large(options.model, small), large)
    metadata = {"arch": "vit-deit-tiny/16", "num_heads": str(KEPT_HEADS), "crop_size": "224", "mask_thres": "0.5"}
    save_file({"student." + name: tensor.contiguous() for name, tensor in tensors.items()}, options.out, metadata)


if __name__ == "__main__":
    main()
