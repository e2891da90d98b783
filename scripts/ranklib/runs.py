"""Data to train on and label, runs of `mal` as processes, and the files they leave."""
import hashlib
import json
import os
import signal
import struct
import subprocess
import time
import zlib
from pathlib import Path

import numpy


class Failure(Exception):
    """A run did not do what it should."""


def require(holds, message):
    if not holds:
        raise Failure(message)


# ---- data ------------------------------------------------------------------------------------------


def write_png(path, pixels):
    """`pixels`: (height, width, 3) bytes."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + pixels[y].tobytes() for y in range(height))

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


def make_scenes(folder, image_count, boxes_per_image, seed):
    """Rectangles on noise, with their masks as polygons. Gives the COCO file; the images lie beside it."""
    random = numpy.random.default_rng(seed)
    images, annotations = [], []
    (folder / "images").mkdir(parents=True)
    for number in range(image_count):
        pixels = random.integers(60, 100, (96, 128, 3), dtype=numpy.uint8)
        for _ in range(boxes_per_image):
            width, height = random.integers(28, 48, 2).tolist()
            x, y = int(random.integers(0, 128 - width)), int(random.integers(0, 96 - height))
            pixels[y : y + height, x : x + width, random.integers(3)] = random.integers(160, 250)
            corners = [x, y, x + width, y, x + width, y + height, x, y + height]
            annotations.append({
                "id": len(annotations) + 1, "image_id": number, "category_id": 1, "bbox": [x, y, width, height],
                "area": width * height, "iscrowd": 0, "segmentation": [corners]})
        write_png(folder / "images" / f"{number}.png", pixels)
        images.append({"id": number, "file_name": f"{number}.png", "width": 128, "height": 96})
    path = folder / "boxes.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "box"}]}))
    return path


# ---- processes -------------------------------------------------------------------------------------


class Run:
    """`mal` as a process with a log, and the ranks it started."""

    def __init__(self, command, log, environment=None):
        self.log = Path(log)
        inherited = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
        with open(log, "wb") as file:
            self.process = subprocess.Popen(
                [str(part) for part in command], stdout=file, stderr=file, stdin=subprocess.DEVNULL,
                env={**inherited, **(environment or {})})
        self.start = time.monotonic()

    @property
    def text(self):
        return self.log.read_text(errors="replace")

    @property
    def has_ended(self):
        return self.process.poll() is not None

    def wait(self, limit):
        """The exit code; a run that takes longer than `limit` seconds is ended and is a failure."""
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.end()
            raise Failure(f"still running after {limit} s:\n{self.text[-2000:]}") from None

    def wait_for(self, text, limit=120):
        """Waits until the log says `text`; False when the run ended without it."""
        end = time.monotonic() + limit
        while text not in self.text:
            if self.has_ended:
                return text in self.text
            require(time.monotonic() < end, f'never said "{text}":\n{self.text[-2000:]}')
            time.sleep(0.02)
        return True

    def rank_process(self, rank):
        """The process id of a rank; None when it is not there."""
        children = []
        for tasks in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            children += tasks.read_text().split()
        for child in children:
            try:
                if f"RANK={rank}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
                    return int(child)
            except OSError:
                continue
        return None

    def end(self):
        """Ends the run and its ranks."""
        if self.has_ended:
            return
        ranks = [self.rank_process(rank) for rank in range(8)]
        self.process.kill()
        self.process.wait()
        for rank in ranks:
            if rank is not None:
                try:
                    os.kill(rank, signal.SIGKILL)
                except ProcessLookupError:
                    pass


def run_whole(command, log, limit=600, environment=None, code=0):
    """A run that should end with `code`; gives its seconds and its text."""
    run = Run(command, log, environment)
    found = run.wait(limit)
    seconds = time.monotonic() - run.start
    require(found == code, f"{' '.join(map(str, command))}: exit code {found}\n{run.text[-3000:]}")
    return seconds, run.text


# ---- files -----------------------------------------------------------------------------------------


def tensors(path):
    """The float32 tensors of a safetensors file. Raises where the file is not whole."""
    data = Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    body = data[8 + length :]
    require(max((t["data_offsets"][1] for t in header.values()), default=0) == len(body), f"{path} is cut short")
    return {
        name: numpy.frombuffer(body[slice(*t["data_offsets"])], numpy.float32)
        for name, t in header.items() if t["dtype"] == "F32"}


def checkpoints(folder):
    """The checkpoints of a run by name; a broken one is a failure."""
    found = sorted(path for path in Path(folder).glob("model_epoch_*") if path.is_dir())
    for path in found:
        json.loads((path / "state.json").read_text())
        for name in ("student", "teacher", "optimizer"):
            require(tensors(path / f"{name}.safetensors"), f"{path}: {name} is empty")
    return [path.name for path in found]


def largest_difference(one, other, names=("student", "teacher")):
    """Between the newest checkpoints of two runs."""
    worst = 0.0
    for name in names:
        a, b = (tensors(Path(run) / "model_latest" / f"{name}.safetensors") for run in (one, other))
        require(a.keys() == b.keys() and a, f"{one} and {other} have other tensors")
        worst = max(worst, max(float(numpy.abs(a[key] - b[key]).max()) for key in a))
    return worst


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


def weights_digest(run):
    return "-".join(digest(Path(run) / "model_latest" / f"{name}.safetensors") for name in ("student", "teacher", "optimizer"))


def metrics(run):
    """The lines of metrics.jsonl without times."""
    lines = [json.loads(line) for line in (Path(run) / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("seconds", "memory_mb")} for line in lines]
