"""Peak memory of `mal label` as the number of boxes grows, with a very small network.

Makes photographs and boxes in a temporary folder and labels them, a row a run. Standard library
only: wait4 gives a child's peak, but not below the size of the parent that forked it.
"""
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
# A network of 48 channels and 3 blocks, with the numbers that its file does not tell.
MODEL = os.path.join(HERE, "..", "Tests", "Fixtures", "micro_vit_trained.safetensors")
NETWORK = ["model.embed_dim=48", "model.depth=3", "model.num_heads=3"]
# Images, their size, boxes in all.
CASES = [
    (1, (2400, 1600), 200), (1, (2400, 1600), 2_000), (1, (2400, 1600), 20_000),
    (200, (640, 480), 200), (200, (640, 480), 2_000), (200, (640, 480), 20_000),
]


def png(width, height, shade):
    """A picture of slopes, compressed fast."""
    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))
    slope = bytes((x + shade * (1 + c)) % 256 for x in range(width + height) for c in range(3))
    rows = b"".join(b"\0" + slope[3 * y:3 * (y + width)] for y in range(height))
    return (b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


def scene(folder, image_count, size, box_count):
    """Photographs and their boxes, of 8 to 320 pixels a side, spread evenly over the images."""
    width, height = size
    chance = random.Random(box_count)
    images, boxes = [], []
    for index in range(image_count):
        name = f"{width}x{height}-{index}.png"
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            with open(path, "wb") as file:
                file.write(png(width, height, index))
        images.append({"id": index, "file_name": name, "width": width, "height": height})
    for index in range(box_count):
        w, h = (8 * 40 ** chance.random() for _ in range(2))
        x, y = chance.uniform(0, width - w), chance.uniform(0, height - h)
        boxes.append({
            "id": index, "image_id": index % image_count, "category_id": 1, "iscrowd": 0,
            "bbox": [round(v, 2) for v in (x, y, w, h)], "area": round(w * h, 2)})
    path = os.path.join(folder, "boxes.json")
    with open(path, "w") as file:
        json.dump({
            "images": images, "annotations": boxes,
            "categories": [{"id": 1, "name": "thing"}]}, file)
    return path


def label(mal, folder, boxes, threads, crop=64, batch=16):
    """Seconds, seconds of CPU time, peak MiB and output MiB of one run."""
    out = os.path.join(folder, "masks.json")
    command = [
        mal, "label", folder, "--boxes", boxes, "--out", out, "--checkpoint", MODEL,
        "--crop-size", str(crop), "--batch-size", str(batch), "--device", "cpu", "--threads", str(threads),
        "--fresh", "--quiet", *NETWORK]
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"exit code {child.returncode}: {' '.join(command)}")
    return (
        seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024,
        os.path.getsize(out) / 2**20)


def run(o):
    """All rows, printed as they come."""
    rows = []
    print("mal label, crop 64, batch 16, a network of 3 blocks")
    print("images       size   boxes  peak MiB   seconds  CPU seconds  boxes/s  output MiB")
    with tempfile.TemporaryDirectory() as folder:
        for images, size, count in CASES:
            if o.quick and count > 2_000:
                continue
            boxes = scene(folder, images, size, count)
            seconds, busy, peak, output = label(o.mal, folder, boxes, o.threads)
            rows.append({
                "images": images, "size": size, "boxes": count, "peak_mib": round(peak, 1),
                "seconds": round(seconds, 2), "cpu_seconds": round(busy, 2),
                "output_mib": round(output, 2)})
            print(
                f"{images:6d}{size[0]:6d}x{size[1]:<4d}{count:8d}{peak:10.0f}{seconds:10.1f}"
                f"{busy:13.1f}{count / seconds:9.0f}{output:12.1f}", flush=True)
    for images in dict.fromkeys(row["images"] for row in rows):
        group = [row for row in rows if row["images"] == images]
        first, last = group[0], group[-1]
        print(
            f"images {images}: {last['boxes'] // first['boxes']} times the boxes, "
            f"{last['peak_mib'] / first['peak_mib']:.2f} times the memory")
    return rows
