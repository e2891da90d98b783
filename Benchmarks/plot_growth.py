#!/usr/bin/env python3
"""Draws a file of growth.py into docs/images/growth.png and .svg, and prints its table in Markdown.

    Benchmarks/plot_growth.py Benchmarks/results/growth-DATE.json

Needs matplotlib, which nothing else here does.
"""
import json
import os
import sys

import matplotlib
matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "growth"
import matplotlib.pyplot as plt  # noqa: E402

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "docs", "images")
TITLES = {
    "boxes": "boxes, 200 images", "boxes of one image": "boxes of one image, 2400×1600",
    "crop": "side of the crop, 32 boxes", "batch": "batch, 768 boxes, crop 224"}


def main():
    with open(sys.argv[1]) as file:
        found = json.load(file)
    figure, axes = plt.subplots(2, 4, figsize=(14, 6), constrained_layout=True)
    print("| series | value | seconds | CPU seconds | CPU ms a box | peak MiB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for column, (name, part) in enumerate(found["series"].items()):
        rows, axis = part["rows"], part["axis"]
        x = [row[axis] for row in rows]
        for line, key, label in ((0, "cpu_seconds", "CPU seconds"), (1, "peak_mib", "peak MiB")):
            plot = axes[line][column]
            plot.plot(x, [row[key] for row in rows], "o-", color=("C0", "C3")[line])
            if axis == "batch":
                plot.set_xscale("log", base=2)
            plot.set_xlim(left=0 if axis == "boxes" else None)
            plot.set_ylim(0, 1.08 * max(row[key] for row in rows))
            plot.set_ylabel(label)
            plot.grid(alpha=0.3)
        axes[0][column].set_title(TITLES[name], fontsize=10)
        axes[1][column].set_xlabel(axis)
        for row in rows:
            print(
                f"| {name} | {row[axis]:,} | {row['seconds']:.2f} | {row['cpu_seconds']:.2f} | "
                f"{row['cpu_seconds'] / row['boxes'] * 1000:.1f} | {row['peak_mib']:.0f} |")
    os.makedirs(OUT, exist_ok=True)
    figure.savefig(os.path.join(OUT, "growth.svg"), metadata={"Date": None})
    figure.savefig(os.path.join(OUT, "growth.png"), dpi=110)


if __name__ == "__main__":
    main()
