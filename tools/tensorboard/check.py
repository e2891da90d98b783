"""Reads the event files of a training run with PyPI's tensorboard and says what is in them.

    python3 -m venv VENV && VENV/bin/pip install tensorboard
    VENV/bin/python tools/tensorboard/check.py RUN_FOLDER [PICTURE_FOLDER]

Exits with 1 when a scalar of metrics.jsonl is missing or differs, a step occurs twice, or there is no picture where a validation was.
PICTURE_FOLDER receives the pictures.
"""

import json
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def main():
    run = pathlib.Path(sys.argv[1])
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    events.Reload()
    tags = events.Tags()
    print("scalars:", ", ".join(tags["scalars"]))
    print("images: ", ", ".join(tags["images"]))
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "loss" in line]
    failures = 0
    for tag, key in [("train/loss", "loss"), ("train/loss_mil", "loss_mil"), ("train/loss_crf", "loss_crf"), ("lr", "lr")]:
        found = [(event.step, event.value) for event in events.Scalars(tag)]
        wanted = [(line["step"], line[key]) for line in steps]
        same = len(found) == len(wanted) and all(
            a == c and abs(b - d) <= 1e-6 * max(1e-3, abs(d)) for (a, b), (c, d) in zip(found, wanted))
        print(f"{tag}: {len(found)} values, {'as in metrics.jsonl' if same else 'NOT as in metrics.jsonl'}")
        failures += not same
    validations = [line for line in lines if "val_mIoU" in line]
    for tag in tags["images"]:
        for image in events.Images(tag):
            print(f"{tag} of step {image.step}: {image.width} x {image.height}, {len(image.encoded_image_string)} bytes")
            if len(sys.argv) > 2:
                folder = pathlib.Path(sys.argv[2])
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{tag.replace('/', '_')}_{image.step}.png").write_bytes(image.encoded_image_string)
    pictures = sum(len(events.Images(tag)) for tag in tags["images"])
    if pictures < len(validations):
        print(f"{pictures} pictures for {len(validations)} validations")
        failures += 1
    sys.exit(1 if failures else 0)


main()
