#!/usr/bin/env python3
"""How time and memory of `mal label` grow: with the boxes, with the boxes of one image, with the
crop's side, with the batch. Writes results/growth-DATE.json; plot_growth.py draws it.

    Benchmarks/growth.py [--mal .build/release/mal] [--threads N] [--large]

A very small network, so that what is beside it shows. Some minutes; --large adds 100,000 boxes.
Standard library only.
"""
import argparse
import datetime
import json
import os
import tempfile

import memory
import report

HERE = os.path.dirname(os.path.abspath(__file__))
PHOTOGRAPH, LARGE_PHOTOGRAPH = (640, 480), (2400, 1600)


def series(large):
    """Name → what grows, and the runs: images, their size, boxes, crop, batch."""
    boxes = [100, 1_000, 10_000] + ([100_000] if large else [])
    return {
        "boxes": ("boxes", [(200, PHOTOGRAPH, n, 64, 16) for n in boxes]),
        "boxes of one image": (
            "boxes", [(1, LARGE_PHOTOGRAPH, n, 64, 16) for n in (1, 10, 100, 1_000, 5_000)]),
        "crop": ("crop", [(8, PHOTOGRAPH, 32, s, 4) for s in (224, 384, 512, 768, 1024)]),
        "batch": ("batch", [(8, PHOTOGRAPH, 768, 224, b) for b in (1, 2, 4, 8, 16, 32, 64)]),
    }


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--mal", default=os.path.join(HERE, "..", ".build", "release", "mal"))
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--large", action="store_true")
    o = a.parse_args()
    now = datetime.datetime.now()
    result = {
        "date": now.isoformat(timespec="seconds"), "machine": report.machine(),
        "commit": report.commit(), "load_before": os.getloadavg(), "threads": o.threads,
        "series": {}}
    print("series              images   boxes  crop  batch   seconds  CPU seconds  peak MiB")
    with tempfile.TemporaryDirectory() as folder:
        for name, (axis, runs) in series(o.large).items():
            rows = []
            for images, size, count, crop, batch in runs:
                path = memory.scene(folder, images, size, count)
                seconds, busy, peak, output = memory.label(
                    o.mal, folder, path, o.threads, crop=crop, batch=batch)
                rows.append({
                    "images": images, "size": size, "boxes": count, "crop": crop, "batch": batch,
                    "seconds": round(seconds, 3), "cpu_seconds": round(busy, 3),
                    "peak_mib": round(peak, 1), "output_mib": round(output, 3)})
                print(
                    f"{name:18}{images:8d}{count:8d}{crop:6d}{batch:7d}{seconds:10.2f}"
                    f"{busy:13.2f}{peak:10.0f}", flush=True)
            result["series"][name] = {"axis": axis, "rows": rows}
    result["load_after"] = os.getloadavg()
    os.makedirs(os.path.join(HERE, "results"), exist_ok=True)
    path = os.path.join(HERE, "results", f"growth-{now:%Y-%m-%dT%H%M}.json")
    with open(path, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    print(f"Every number: Benchmarks/results/{os.path.basename(path)}")


if __name__ == "__main__":
    main()
