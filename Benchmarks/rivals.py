"""Other programs for inference, beside which speed.py measures mal: ONNX Runtime and OpenVINO, in float32 and
int8.

They run what `mal export` makes of a network with random weights.
"""
import json
import os
import subprocess

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
# Name in the tables → package.
RUNTIMES = {"ONNX Runtime": "onnxruntime", "OpenVINO": "openvino"}
SHAPES = {"tiny": ("vit_tiny16", "heads_in192"), "small": ("vit_small16", "heads_in384"),
          "base": ("vit_base16", "heads_in768")}


def there(python):
    """The runtimes that this Python has, and a line for each that it lacks."""
    found, missing = [], []
    for name, package in RUNTIMES.items():
        tried = subprocess.run([python, "-c", f"import {package}"], capture_output=True)
        if tried.returncode == 0:
            found.append(name)
        else:
            missing.append(f"Without {name}: {python} has no package {package} (pip install {package})")
    return found, missing


def commands(o, case, names, folder):
    """Name → command, for a row of speed.py."""
    if not names:
        return {}
    precision = case.get("precision", "fp32")
    path = model(o, case["arch"], case["crop"], precision, folder)
    return {
        name: [o.python, os.path.join(HERE, "rival.py"), RUNTIMES[name], path, f"--crop={case['crop']}",
               f"--batch={case['batch']}", f"--threads={o.threads}"]
        for name in names}


def model(o, arch, crop, precision, folder):
    """An ONNX file with random weights; int8 is calibrated on the demo's photographs."""
    path = os.path.join(folder, f"{arch}-{crop}-{precision}.onnx")
    if os.path.exists(path):
        return path
    weights = os.path.join(folder, f"{arch}.safetensors")
    if not os.path.exists(weights):
        write_weights(arch, weights)
    calibration = [
        "--calibrate", os.path.join(ROOT, "Demo/images"), "--boxes", os.path.join(ROOT, "Demo/boxes.json"),
        "--calibration-boxes=8"]
    subprocess.run(
        [o.mal, "export", path, "--quiet", "--checkpoint", weights, f"--crop-size={crop}",
         f"--precision={precision}", *(calibration if precision == "int8" else [])], check=True)
    return path


def write_weights(arch, path):
    """A student's parameters in safetensors, spread as fresh layers are."""
    with open(os.path.join(ROOT, "Tests/Fixtures/state_dict_shapes.json")) as file:
        shapes = json.load(file)
    backbone, heads = SHAPES[arch]
    generator = np.random.default_rng(0)
    header, parts, place = {}, [], 0
    named = {f"student.backbone.{key}": shape for key, shape in shapes[backbone].items()}
    named |= {f"student.{key}": shape for key, shape in shapes[heads].items()}
    for name, shape in named.items():
        noise = generator.standard_normal(shape).astype("<f4")
        if len(shape) == 1:
            values = 1 + 0.1 * noise if "norm" in name and name.endswith("weight") else 0.02 * noise
        else:
            values = noise / np.sqrt(np.prod(shape[1:]))
        data = values.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [place, place + len(data)]}
        parts.append(data)
        place += len(data)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + b"".join(parts))
