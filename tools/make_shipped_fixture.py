#!/usr/bin/env python3
"""Writes the features that plain PyTorch computes with the shipped model's backbone.

    python tools/make_shipped_fixture.py

Run it by hand after the model in Models/ has changed; ShippedModelTests compares with what it writes.
The images stay those of the fixture. Needs torch and safetensors.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).parent.parent
FIXTURE = ROOT / "Tests/Fixtures/dinov2_small14_features.safetensors"
MODEL = ROOT / "Models/mal-vits14.safetensors"
PATCH, HEADS, BLOCKS = 14, 6, 12


def features(image, weights):
    """The (B, C, h, h) map of a DINOv2 ViT-S/14 whose parameters have timm's names."""

    def layer(x, name, apply=F.linear):
        return apply(x, weights[name + ".weight"], weights[name + ".bias"])

    def norm(x, name):
        return F.layer_norm(x, x.shape[-1:], weights[name + ".weight"], weights[name + ".bias"], 1e-6)

    side = image.shape[-1] // PATCH
    x = F.conv2d(image, weights["patch_embed.proj.weight"], weights["patch_embed.proj.bias"], stride=PATCH)
    x = x.flatten(2).transpose(1, 2)
    count, _, width = x.shape
    table = weights["pos_embed"]
    grid = round((table.shape[1] - 1) ** 0.5)
    places = table[:, 1:].reshape(1, grid, grid, width).permute(0, 3, 1, 2)
    places = F.interpolate(places, size=(side, side), mode="bicubic", align_corners=False)
    token = (weights["cls_token"] + table[:, :1]).expand(count, -1, -1)
    x = torch.cat([token, x + places.flatten(2).transpose(1, 2)], 1)
    for index in range(BLOCKS):
        block = f"blocks.{index}."
        qkv = layer(norm(x, block + "norm1"), block + "attn.qkv")
        q, k, v = qkv.reshape(count, -1, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(count, -1, width)
        x = x + layer(mixed, block + "attn.proj") * weights[block + "ls1.gamma"]
        hidden = F.gelu(layer(norm(x, block + "norm2"), block + "mlp.fc1"))
        x = x + layer(hidden, block + "mlp.fc2") * weights[block + "ls2.gamma"]
    return norm(x, "norm")[:, 1:].transpose(1, 2).reshape(count, width, side, side)


def main():
    prefix = "student.backbone."
    weights = {
        name.removeprefix(prefix): tensor.float()
        for name, tensor in load_file(MODEL).items() if name.startswith(prefix)
    }
    fixture = load_file(FIXTURE)
    with torch.no_grad():
        for name in [n for n in fixture if n.startswith("image_")]:
            feature = name.replace("image_", "feat_")
            made = features(fixture[name].float(), weights)
            fixture[feature] = made.reshape(fixture[feature].shape).to(fixture[feature].dtype).contiguous()
    save_file(fixture, FIXTURE)


if __name__ == "__main__":
    main()
