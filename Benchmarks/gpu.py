"""The GPU goals, mal beside pytorch_baseline.py (eager and compiled) in one run; gpu.sh starts it.

Programs run one after the other, mal and PyTorch in turns; a number is the median of a program's turns. Ratios below
1 are faster, or smaller, than PyTorch at the same precision. mal is measured as it is by default (results read late,
the mean field as one kernel) and with each of these off: `at once` is late_results: false, `operators` is
train.mean_field_kernel: libtorch. Memory is what nvidia-smi says of the GPU while a program runs, less what it said
before, the same for both.
"""
import argparse
import datetime
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import flops
import report

HERE = os.path.dirname(os.path.abspath(__file__))
PHOTOGRAPH = os.path.join(HERE, "..", "Demo", "images", "rocket.jpg")
PHOTOGRAPH_SIZE = (640, 427)
H200_TFLOPS = 790  # bf16 products of 8192 × 8192 as measured on one H200 by the workplace this was written at
PARTS = ["train", "infer", "meanfield", "label", "agreement"]


def memory_used():
    """MiB in use on the first GPU; 0 without nvidia-smi."""
    try:
        found = subprocess.run(
            ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"],
            capture_output=True, text=True, check=True)
        return int(found.stdout.split()[0])
    except (OSError, subprocess.CalledProcessError, ValueError, IndexError):
        return 0


class Peak:
    """The most memory that the GPU had in use while a program ran, less what it had before."""

    def __init__(self, enabled):
        self.enabled, self.before, self.peak, self.done = enabled, memory_used() if enabled else 0, 0, False
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        while self.enabled and not self.done:
            self.peak = max(self.peak, memory_used() - self.before)
            time.sleep(0.05)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done = True
        self.thread.join()


def run(command, on_gpu, profile=False):
    """The program's JSON line, or what it died of. A compiled baseline that does not run is no reason to stop."""
    with Peak(on_gpu) as peak:
        done = subprocess.run(command, capture_output=True, text=True)
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        return {"failed": done.stderr.strip()[-2000:] or f"exit code {done.returncode}"}
    result = json.loads(lines[-1])
    result["gpu_memory_mib"] = peak.peak
    if profile:
        result["profile"] = done.stderr.strip().splitlines()
    return result


def in_turns(programs, o, key):
    """Every program o.turns times, A B … B A …, each result with the median of `key`."""
    runs = {name: [] for name in programs}
    for turn in range(o.turns):
        for name in list(programs)[:: 1 if turn % 2 == 0 else -1]:
            if not any("failed" in result for result in runs[name]):
                runs[name].append(run(programs[name], o.device != "cpu", profile="--profile" in programs[name]))
    found = {}
    for name, results in runs.items():
        good = [result for result in results if "failed" not in result]
        found[name] = dict(results[-1])
        if len(good) == len(results):
            found[name][key] = statistics.median(result[key] for result in good)
            found[name]["all"] = [result[key] for result in good]
    return found


def shared(o, what, arch, batch, amp):
    named = {"arch": arch, "crop": o.crop, "batch": batch, "device": o.device, "amp": amp,
             "steps": o.steps, "warm": o.warm}
    return [what, *(f"--{key}={value}" for key, value in named.items())]


def row(name, found, key="seconds_per_step", invert=False):
    """A line of the table: each program, and its ratio to eager and compiled PyTorch."""
    def ratio(a, b):
        if key not in found.get(a, {}) or key not in found.get(b, {}):
            return "      -"
        value = found[a][key] / found[b][key]
        return f"{1 / value if invert else value:7.3f}"
    lines = []
    for program, result in found.items():
        if key not in result:
            lines.append(f"{name:24}{program:18} failed: {(result.get('failed') or '?').splitlines()[-1][:80]}")
            continue
        lines.append(
            f"{name:24}{program:18}{result[key]:12.5f}{ratio(program, 'PyTorch')}{ratio(program, 'PyTorch compiled')}"
            f"{result.get('gpu_memory_mib', 0):9d}")
    return "\n".join(lines)


def cases(o):
    """Batches and precisions: fp16 is measured at one batch, which is enough to tell it from bf16."""
    return [(b, a) for b in o.batches for a in o.amps if o.thorough or a != "fp16" or b == 16]


def baseline(o, arguments, compiled=True):
    script = os.path.join(HERE, "pytorch_baseline.py")
    found = {"PyTorch": [o.python, script, *arguments]}
    if (compiled or o.thorough) and o.compiles:
        found["PyTorch compiled"] = [o.python, script, *arguments, "--compile"]
    return found


def train(o):
    rows = []
    for batch, amp in cases(o):
        arguments = shared(o, "train", o.arch, batch, amp)
        late = [] if amp == "fp16" else ["--late"]
        kernel = ["--nvrtc"] if o.device == "cuda" else []
        programs = {"mal": [o.bench, *arguments, *late, *kernel]}
        if late:
            programs["mal at once"] = [o.bench, *arguments, *kernel]
        if kernel:
            programs["mal operators"] = [o.bench, *arguments, *late]
        programs.update(baseline(o, arguments, batch == 16 and amp == "bf16"))
        found = in_turns(programs, o, "seconds_per_step")
        found["mal profile"] = run(
            [o.bench, *arguments, *kernel, "--profile"], o.device != "cpu", profile=True)
        work = flops.step(o.arch, o.crop, batch)
        for result in found.values():
            if "seconds_per_step" in result:
                result["tflops"] = work / result["seconds_per_step"] / 1e12
                result["share_of_790_tflops"] = result["tflops"] / H200_TFLOPS
        rows.append({"what": "train", "arch": o.arch, "crop": o.crop, "batch": batch, "amp": amp, "programs": found})
        print(row(f"train {o.arch} {batch} {amp}", found), flush=True)
        for line in found["mal profile"].get("profile", []):
            print("    " + line)
    return rows


def infer(o):
    rows = []
    for batch, amp in cases(o):
        arguments = shared(o, "infer", o.arch, batch, amp)
        compiled = batch == 16 and amp == "bf16"
        found = in_turns({"mal": [o.bench, *arguments], **baseline(o, arguments, compiled)}, o, "seconds_per_step")
        rows.append({"what": "infer", "arch": o.arch, "crop": o.crop, "batch": batch, "amp": amp, "programs": found})
        print(row(f"infer {o.arch} {batch} {amp}", found), flush=True)
    return rows


def meanfield(o):
    rows = []
    for batch in o.batches:
        arguments = [
            "meanfield", f"--map={o.crop // 4}", f"--batch={batch}", f"--device={o.device}", f"--steps={o.steps}",
            f"--warm={o.warm}"]
        programs = {"mal": [o.bench, *arguments, "--crop=64", *(["--nvrtc"] if o.device == "cuda" else [])]}
        if o.device == "cuda":
            programs["mal operators"] = [o.bench, *arguments, "--crop=64"]
        programs.update(baseline(o, arguments, compiled=False))
        found = in_turns(programs, o, "seconds_per_step")
        rows.append({"what": "meanfield", "map": o.crop // 4, "batch": batch, "programs": found})
        print(row(f"meanfield {o.crop // 4} {batch}", found), flush=True)
    return rows


def scene(folder, image_count, box_count):
    """Photographs, all the same JPEG under names of their own, and their boxes of 24 to 400 pixels a side."""
    import random
    chance, (width, height) = random.Random(4), PHOTOGRAPH_SIZE
    with open(PHOTOGRAPH, "rb") as file:
        jpeg = file.read()
    for index in range(image_count):
        with open(os.path.join(folder, f"{index}.jpg"), "wb") as file:
            file.write(jpeg)
    boxes = []
    for index in range(box_count):
        w, h = (24 * 16 ** chance.random() for _ in range(2))
        w, h = min(w, 0.9 * width), min(h, 0.9 * height)
        box = [chance.uniform(0, width - w), chance.uniform(0, height - h), w, h]
        boxes.append({"id": index, "image_id": index * image_count // box_count, "category_id": 1, "iscrowd": 0,
                      "bbox": [round(v, 2) for v in box], "area": round(w * h, 2)})
    path = os.path.join(folder, "boxes.json")
    with open(path, "w") as file:
        json.dump({
            "images": [{"id": k, "file_name": f"{k}.jpg", "width": width, "height": height} for k in range(image_count)],
            "annotations": boxes, "categories": [{"id": 1, "name": "thing"}]}, file)
    return path


def label(o):
    """From JPEG files to the COCO file, boxes a second, the whole program's time."""
    script = os.path.join(HERE, "label_baseline.py")
    image_count, box_count = o.scene
    with tempfile.TemporaryDirectory() as folder:
        boxes = scene(folder, image_count, box_count)
        weights, out = os.path.join(folder, "weights.pth"), os.path.join(folder, "out.json")
        subprocess.run([o.python, script, "checkpoint", weights, f"--arch={o.arch}"], check=True)
        amp, precision = o.amps[-1], {"none": "fp32"}.get(o.amps[-1], o.amps[-1])
        ours = [
            o.mal, "label", folder, "--boxes", boxes, "--out", out, "--checkpoint", weights, "--fresh", "--quiet",
            "--device", o.device, "--precision", precision, "--batch-size", str(o.label_batch),
            "--crop-size", str(o.crop), f"model.arch=vit-mae-{o.arch}/16"]
        at_once = [*ours, "late_results=false"]
        theirs = [
            o.python, script, "run", boxes, folder, f"--arch={o.arch}", f"--crop={o.crop}",
            f"--batch={o.label_batch}", f"--device={o.device}", f"--amp={amp}", f"--workers={o.workers}"]
        rates = {"mal": [], "mal at once": [], "PyTorch": []}
        failed = {}
        for _ in range(o.turns):
            for name, command in (("mal", ours), ("mal at once", at_once)):
                start = time.perf_counter()
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode != 0:
                    failed[name] = done.stderr.strip()[-2000:]
                rates[name].append(box_count / (time.perf_counter() - start))
            result = run(theirs, False)
            if "failed" in result:
                failed["PyTorch"] = result["failed"]
            rates["PyTorch"].append(result.get("boxes_per_second", 0))
    found = {
        name: {"failed": failed[name]} if name in failed else
        {"boxes_per_second": statistics.median(values), "all": values, "gpu_memory_mib": 0}
        for name, values in rates.items()}
    print(row(f"label {o.arch} {o.label_batch} {amp}", found, "boxes_per_second", invert=True), flush=True)
    return [{"what": "label", "arch": o.arch, "crop": o.crop, "batch": o.label_batch, "amp": amp,
             "images": image_count, "boxes": box_count, "workers": o.workers, "programs": found}]


def agreement(o):
    """Masks of the model that ships in bf16 and fp16 beside fp32, on Demo's photographs or on --coco."""
    boxes, images = o.coco or (
        os.path.join(HERE, "..", "Demo", "boxes.json"), os.path.join(HERE, "..", "Demo", "images"))
    command = [o.bench, "agreement", "--boxes", boxes, "--images", images, "--device", o.device]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        print("agreement failed: " + done.stderr.strip()[-300:])
        return [{"what": "agreement", "failed": done.stderr.strip()[-2000:]}]
    rows = [json.loads(line) for line in done.stdout.strip().splitlines()]
    for found in rows:
        print(f"agreement {found['arithmetic']:14} mean IoU {found['mean_iou']:.4f}, worst {found['worst_iou']:.4f}, "
              f"{found['boxes']} boxes")
    return rows


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--bench", required=True)
    a.add_argument("--mal", required=True)
    a.add_argument("--python", required=True)
    a.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    a.add_argument("--quick", action="store_true", help="few steps and boxes; on a CPU a small network too")
    a.add_argument("--thorough", action="store_true", help="every case, compiled too, in three turns: half an hour")
    a.add_argument("--only", action="append", choices=PARTS, help="only this part; may be repeated")
    a.add_argument("--turns", type=int, help="how often every program runs (default: 1, with --thorough 3)")
    a.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="of the DataLoader")
    a.add_argument("--coco", nargs=2, metavar=("BOXES", "IMAGES"), help="for the agreement")
    a.add_argument("--out", default=os.path.join(HERE, "results"), help="folder of the JSON")
    o = a.parse_args()
    o.arch, o.crop, o.batches, o.amps = "base", 512, [4, 16, 32], ["fp16", "bf16"]
    o.steps, o.warm, o.scene, o.label_batch, o.compiles = 30, 10, (300, 2100), 32, True
    o.turns = o.turns or (3 if o.thorough else 1)
    if o.thorough:
        o.scene = (1000, 7000)
    if o.quick:
        o.steps, o.warm, o.turns, o.scene = 5, 3, 1, (50, 350)
    if o.device == "cpu":
        o.arch, o.crop, o.batches, o.amps, o.compiles = "tiny", 128, [2], ["none"], False
        o.steps, o.warm, o.scene, o.label_batch = 2, 1, (2, 6), 2
    elif subprocess.run([o.python, "-c", "import torch; assert torch.cuda.is_available()"]).returncode != 0:
        sys.exit(f"{o.python}'s torch finds no GPU; --device cpu --quick tries this script without one")
    now = datetime.datetime.now()
    gpu = subprocess.run(
        ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"],
        capture_output=True, text=True).stdout.strip() if o.device == "cuda" else None
    result = {"date": now.isoformat(timespec="seconds"), "machine": report.machine(), "gpu": gpu,
              "device": o.device, "quick": o.quick, "commit": report.commit()}
    print(f"{gpu or result['machine']['cpu']}\n")
    print(f"{'':24}{'':18}{'seconds':>12}{'/eager':>7}{'/comp.':>7}{'GPU MiB':>9}   (label: boxes/s; ratios of times)")
    os.makedirs(o.out, exist_ok=True)
    machine = re.sub(r"[^a-z0-9]+", "-", (gpu or result["machine"]["cpu"]).split(",")[0].lower()).strip("-")
    path = os.path.join(o.out, f"gpu-{now:%Y-%m-%dT%H%M}-{machine}.json")
    for part in o.only or PARTS:
        result[part] = globals()[part](o)
        with open(path, "w") as file:  # after each part: what was measured outlives a machine that is taken away
            json.dump(result, file, indent=1)
            file.write("\n")
    print(f"\nEvery number: {path}")
    failures = json.dumps(result).count('"failed"')
    if failures:
        sys.exit(f"{failures} programs failed; the file says why")


if __name__ == "__main__":
    main()
