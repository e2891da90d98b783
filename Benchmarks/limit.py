"""How far steps are from what the processor can do, and where their time goes: the rate of one large product of
matrices at one thread and at all, the rate of the steps that speed.py measured, and `--profile`.

Convolutions count as they are done, with a quarter of the products (Winograd); what is beside the products, such as
layer norms, softmax, GELU, copies, counts as nothing, so that no step can reach 100 %.
"""
import json
import os
import subprocess
import tempfile

import flops
import memory

HERE = os.path.dirname(os.path.abspath(__file__))


def products(o, threads):
    """GFLOP/s of a product of two 4096 × 4096 matrices."""
    done = subprocess.run(
        [o.bench, "products", f"--threads={threads}", f"--steps={2 if o.quick else 5}", "--warm=1"],
        stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)["gflops"]


def profile(o, arch):
    """The lines of a training step's profile."""
    done = subprocess.run(
        [o.bench, "train", f"--arch={arch}", f"--threads={o.threads}", "--profile", "--warm=1",
         f"--steps={1 if o.quick else 3}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
    return done.stderr.strip().splitlines()


def label_profile(o):
    """The lines of a labelling run's profile: the model that ships, 64 boxes of pictures of slopes."""
    with tempfile.TemporaryDirectory() as folder:
        boxes = memory.scene(folder, 8, (640, 480), 16 if o.quick else 64)
        done = subprocess.run(
            [o.mal, "label", folder, "--boxes", boxes, "--out", os.path.join(folder, "masks.json"), "--device", "cpu",
             "--threads", str(o.threads), "--batch-size", "4", "--profile"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
    lines = done.stderr.splitlines()
    start = next(k for k, line in enumerate(lines) if "a step's time" in line)
    return [lines[start]] + [line for line in lines[start + 1:] if line.startswith("  ")]


def run(o):
    """The table, printed as it comes."""
    rates = {threads: products(o, threads) for threads in sorted({1, o.threads})}
    for threads, rate in rates.items():
        print(f"4096 x 4096 product, float32, {threads} thread{'s' * (threads > 1)}: {rate:.0f} GFLOP/s")
    row = {"products_gflops": rates, "steps": [], "profiles": {}}
    for step in o.speed_rows:
        if step["what"] not in ("train", "infer") or "precision" in step:
            continue
        count = flops.step if step["what"] == "train" else flops.forward
        work = count(step["arch"], step["crop"], step["batch"], convolution=0.25) / step["batch"]
        rate = work / step["mal"]["seconds_per_crop"] / 1e9
        row["steps"].append({
            "what": step["what"], "arch": step["arch"], "gflop_a_crop": work / 1e9, "gflops": rate,
            "share_of_product": rate / rates[o.threads]})
        print(
            f"{step['what']} {step['arch']:7}{work / 1e9:8.0f} GFLOP a crop{rate:8.0f} GFLOP/s"
            f"{100 * rate / rates[o.threads]:6.0f} % of the product's")
    for arch in o.arch or ["tiny", "base"]:
        row["profiles"]["train " + arch] = profile(o, arch)
    row["profiles"]["label"] = label_profile(o)
    for name, lines in row["profiles"].items():
        print("\n".join([f"\n{name}: {lines[0]}", *lines[1:]]), flush=True)
    return row
