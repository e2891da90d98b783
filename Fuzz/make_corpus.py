"""Writes Corpus/: the smallest checkpoints of each kind that is read, for the .pth and safetensors readers.

Run once, with PyTorch 2.13 and safetensors 0.8; the files are committed.
"""

import collections
import os
import pathlib

import torch
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).resolve().parent / "Corpus"
WIDTH = 8


def tensor(*shape, dtype=torch.float32):
    count = 1
    for side in shape:
        count *= side
    return (torch.arange(count) % 7 / 4 - 0.5).reshape(shape).to(dtype)


def backbone(depth=1, stem="patch", scales=False):
    c = WIDTH
    names = collections.OrderedDict(cls_token=tensor(1, 1, c), pos_embed=tensor(1, 5, c))
    if stem == "patch":
        names["patch_embed.proj.weight"] = tensor(c, 3, 2, 2)
        names["patch_embed.proj.bias"] = tensor(c)
    else:
        for i, (inputs, outputs) in enumerate([(3, 1), (1, 1), (1, 2), (2, c)]):
            names[f"patch_embed.proj.{i}.0.weight"] = tensor(outputs, inputs, 1, 1)
            names[f"patch_embed.proj.{i}.0.bias"] = tensor(outputs)
    for i in range(depth):
        block = f"blocks.{i}."
        for norm in ["norm1", "norm2"]:
            names[block + norm + ".weight"] = tensor(c)
            names[block + norm + ".bias"] = tensor(c)
        for layer, outputs, inputs in [
            ("attn.qkv", 3 * c, c), ("attn.proj", c, c), ("mlp.fc1", 4 * c, c), ("mlp.fc2", c, 4 * c),
        ]:
            names[block + layer + ".weight"] = tensor(outputs, inputs)
            names[block + layer + ".bias"] = tensor(outputs)
        if scales:
            names[block + "ls1.gamma"] = tensor(c)
            names[block + "ls2.gamma"] = tensor(c)
    names["norm.weight"] = tensor(c)
    names["norm.bias"] = tensor(c)
    return names


def heads():
    c = WIDTH
    names = collections.OrderedDict()
    for i in (1, 2):
        names[f"roi_head.mlp{i}.weight"] = tensor(2, c)
        names[f"roi_head.mlp{i}.bias"] = tensor(2)
    for i, inputs in enumerate([c, 2, 2, 2]):
        names[f"mask_head.convs.{i}.conv.weight"] = tensor(2, inputs, 3, 3)
        names[f"mask_head.convs.{i}.conv.bias"] = tensor(2)
    return names


def network(**options):
    names = {"backbone." + key: value for key, value in backbone(**options).items()}
    return {**names, **heads()}


def pair(**options):
    names = network(**options)
    return collections.OrderedDict(
        (role + key, value) for role in ("student.", "teacher.") for key, value in names.items())


def hugging_face(prefix="", scales=False):
    c = WIDTH
    names = {
        "embeddings.cls_token": tensor(1, 1, c), "embeddings.position_embeddings": tensor(1, 5, c),
        "embeddings.patch_embeddings.projection.weight": tensor(c, 3, 2, 2),
        "embeddings.patch_embeddings.projection.bias": tensor(c),
    }
    layer = "encoder.layer.0."
    norms = ["norm1", "norm2"] if scales else ["layernorm_before", "layernorm_after"]
    for norm in norms:
        names[layer + norm + ".weight"] = tensor(c)
        names[layer + norm + ".bias"] = tensor(c)
    linear = [("attention.attention." + part, c, c) for part in ("query", "key", "value")]
    linear.append(("attention.output.dense", c, c))
    linear += ([("mlp.fc1", 2 * c, c), ("mlp.fc2", c, 2 * c)] if scales
               else [("intermediate.dense", 2 * c, c), ("output.dense", c, 2 * c)])
    for name, outputs, inputs in linear:
        names[layer + name + ".weight"] = tensor(outputs, inputs)
        names[layer + name + ".bias"] = tensor(outputs)
    if scales:
        names[layer + "layer_scale1.lambda1"] = tensor(c)
        names[layer + "layer_scale2.lambda1"] = tensor(c)
    names["layernorm.weight"] = tensor(c)
    names["layernorm.bias"] = tensor(c)
    return {prefix + key: value for key, value in names.items()}


def lightning():
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return {
        "epoch": 3, "global_step": 12, "pytorch-lightning_version": "2.5.0.post0",
        "state_dict": pair(), "loops": {"fit_loop": {"state_dict": {}, "total": 2**70}},
        "callbacks": {"ModelCheckpoint{'monitor': None}": {"best": float("inf"), "path": "x.pth"}},
        "optimizer_states": [optimizer.state_dict()], "lr_schedulers": [],
        "hyper_parameters": collections.OrderedDict(lr=1e-4, size=torch.Size([1, 2]), tags={"a"}),
    }


def odd_tensors():
    base = tensor(4, 6)
    names = {
        "transposed": base.t(), "sliced": base[1:3, 2:], "scalar": base[0, 0], "tied": base,
        "empty": torch.zeros(0, 3), "expanded": tensor(1, 3).expand(2, 3),
        "parameter": torch.nn.Parameter(tensor(3)), "cls_token": tensor(1, 1, 2),
    }
    for dtype in [torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
                  torch.int8, torch.uint8, torch.bool, torch.complex64]:
        names[str(dtype)] = tensor(3).to(dtype)
    return names


def main():
    os.makedirs(FOLDER, exist_ok=True)
    torch.manual_seed(1)
    files = {
        "timm": backbone(), "mae": {"model": {**backbone(), "decoder_pos_embed": tensor(1, 5, 2)}},
        "lightning": lightning(), "convstem": {"state_dict": pair(stem="conv"), "epoch": 1},
        "heads": heads(), "dinov2": backbone(scales=True), "odd": odd_tensors(),
        "vit_hf": hugging_face("vit."), "encrypted": {"state_dict_encrypted": True, "state_dict": b"x"},
    }
    for name, value in files.items():
        torch.save(value, FOLDER / f"{name}.pth")
    torch.save(odd_tensors(), FOLDER / "odd_protocol4.pth", pickle_protocol=4)
    torch.save(network(), FOLDER / "network_protocol5.pth", pickle_protocol=5)
    torch.save(heads(), FOLDER / "old.pth", _use_new_zipfile_serialization=False)

    metadata = {"arch": "vit-mae-base/16", "crop_size": "64", "num_heads": "2", "categories": "[\"é\"]"}
    odd = {name: value.contiguous().clone() for name, value in odd_tensors().items()}
    del odd["torch.complex64"]
    for name, value in {
        "mal": pair(), "timm": backbone(), "dinov2": backbone(scales=True),
        "dinov2_hf": hugging_face(scales=True), "odd": odd, "heads": heads(),
    }.items():
        save_file({key: value.contiguous().clone() for key, value in value.items()},
                  FOLDER / f"{name}.safetensors", metadata=metadata if name in ("mal", "heads") else None)


main()
