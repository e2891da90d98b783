#!/usr/bin/env python3
"""Wraps one network's weights as trainers and people do, and has mal read them: each must give the bytes of the plain one.

    wrappings.py MAL [--source Tests/Fixtures/micro_vit_trained.pth]

40 wrappings must be read, 10 files must not be labelled with. Run it in the repository; needs torch and safetensors.
"""
import argparse
import collections
import hashlib
import json
import os
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import save_file


def prefixed(state, prefix):
    return collections.OrderedDict((prefix + name, value.clone()) for name, value in state.items())


def wrappings(net):
    """Name, and what writes it to a path without extension and returns the path."""
    def pth(content, extension=".pth"):
        def write(path):
            torch.save(content, path + extension)
            return path + extension
        return write

    def safe(content):
        def write(path):
            save_file({k: v.contiguous() for k, v in content.items()}, path + ".safetensors")
            return path + ".safetensors"
        return write

    def shards(content, count):
        def write(path):
            os.makedirs(path)
            names, index = list(content), {}
            for part in range(count):
                file = f"model-{part + 1:05d}-of-{count:05d}.safetensors"
                own = names[part::count]
                save_file({k: content[k].contiguous() for k in own}, f"{path}/{file}")
                index.update({k: file for k in own})
            with open(f"{path}/model.safetensors.index.json", "w") as file:
                json.dump({"metadata": {}, "weight_map": index}, file)
            return f"{path}/model.safetensors.index.json"
        return write

    for prefix in ["", "module.", "_orig_mod.", "model.", "net.", "_fsdp_wrapped_module.", "_forward_module.", "student.",
                   "teacher.", "module._orig_mod.", "_orig_mod.module.", "model.module.", "module.model.", "net.student.",
                   "student.module.", "module.student.", "_forward_module._fsdp_wrapped_module.student.",
                   "model.net.module._orig_mod.student.", "teacher.module.", "_orig_mod.teacher."]:
        yield "prefix " + (prefix or "none"), pth(prefixed(net, prefix))
    for key in ["state_dict", "model", "model_ema", "ema", "state_dict_ema", "params_ema", "weights"]:
        yield f"in {key!r}", pth({key: prefixed(net, ""), "epoch": 3})
    yield "in 'model' of 'state_dict'", pth({"state_dict": {"model": prefixed(net, "")}})
    yield "in 'state_dict', module.", pth({"state_dict": prefixed(net, "module."), "optimizer": {"state": {}}})
    yield "in 'model', student.", pth({"model": prefixed(net, "student.")})
    yield "in 'ema', _orig_mod.module.", pth({"ema": prefixed(net, "_orig_mod.module.")})
    yield "Lightning, student only", pth(
        {"state_dict": prefixed(net, "student."), "pytorch-lightning_version": "1.9", "epoch": 1}, ".ckpt")
    yield "plain, parameters", pth({k: torch.nn.Parameter(v.clone()) for k, v in net.items()})
    yield "plain, contents by another protocol", lambda path: (
        torch.save(prefixed(net, ""), path + ".pth", pickle_protocol=4), path + ".pth")[1]
    yield "safetensors", safe(net)
    yield "safetensors, module.", safe(prefixed(net, "module."))
    yield "safetensors, student.module.", safe(prefixed(net, "student.module."))
    yield "two shards", shards(net, 2)
    yield "five shards, model.", shards(prefixed(net, "model."), 5)
    yield "three shards, teacher.", shards(prefixed(net, "teacher."), 3)


def refusals(net):
    def pth(content):
        return lambda path: (torch.save(content, path + ".pth"), path + ".pth")[1]

    def text(content, extension):
        def write(path):
            with open(path + extension, "wb") as file:
                file.write(content)
            return path + extension
        return write

    missing = dict(net)
    missing.pop(next(k for k in net if k.endswith("blocks.0.attn.qkv.weight")))
    other = dict(net)
    name = next(k for k in net if k.endswith("blocks.0.attn.qkv.weight"))
    other[name] = net[name][:-1].clone()
    broken = dict(net)
    broken[name] = torch.full_like(net[name], float("nan"))
    yield "no weights", pth({"epoch": 3})
    yield "one weight missing", pth(missing)
    yield "one weight of another shape", pth(other)
    yield "a weight that is not a number", pth(broken)
    yield "two networks", pth({**prefixed(net, "a."), **prefixed(net, "b.")})
    yield "an unknown prefix", pth(prefixed(net, "encoder.q."))
    yield "a list", pth([v for v in net.values()])
    yield "an index without its shards", text(
        json.dumps({"weight_map": {k: "gone.safetensors" for k in net}}).encode(), ".safetensors.index.json")
    yield "an index that leads out of its folder", text(
        json.dumps({"weight_map": {k: "../x.safetensors" for k in net}}).encode(), ".safetensors.index.json")
    yield "no checkpoint", text(b"<html>sign in</html>", ".pth")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mal")
    parser.add_argument("--source", default="Tests/Fixtures/micro_vit_trained.pth")
    options = parser.parse_args()
    state = torch.load(options.source, map_location="cpu", weights_only=False)["state_dict"]
    net = collections.OrderedDict((k.removeprefix("student."), v) for k, v in state.items() if k.startswith("student."))
    wrong = 0
    with tempfile.TemporaryDirectory() as work:
        def run(*command):
            done = subprocess.run([options.mal, *command], capture_output=True, text=True)
            return done.returncode, (done.stderr or done.stdout).strip().splitlines()[-1:]

        plain = None
        print("| wrapping | exit | equal |\n| --- | --- | --- |")
        for number, (name, write) in enumerate(wrappings(net)):
            out = f"{work}/out{number}.safetensors"
            code, said = run("checkpoint", "convert", write(f"{work}/in{number}"), out)
            digest = hashlib.sha256(open(out, "rb").read()).hexdigest() if code == 0 else None
            plain = plain or digest
            good = code == 0 and digest == plain
            wrong += not good
            print(f"| {name} | {code} | {'yes' if good else 'NO ' + ' '.join(said)} |", flush=True)
        print("\n| refused | exit | words |\n| --- | --- | --- |")
        for number, (name, write) in enumerate(refusals(net)):
            code, said = run("label", "Demo/images", "--boxes", "Demo/boxes.json", "--out", f"{work}/bad{number}.json",
                             "--checkpoint", write(f"{work}/bad{number}"), "model.num_heads=3")
            wrong += code != 1
            print(f"| {name} | {code} | {' '.join(said).replace(work + '/', '')[:150]} |", flush=True)
    print(f"\n{wrong} wrong")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
