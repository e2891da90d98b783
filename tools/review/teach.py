#!/usr/bin/env python3
"""Makes the files of a run that learns from reviewed masks, and of the measurement.

    teach.py TRUTH.json IMAGES OUT [--objects 100] [--boxes BOXES.json IMAGES --count 300] [--seed 1]

The objects of some of TRUTH's images, at least --objects of an area above 500, stand for corrected
ones: OUT/train.json has their true masks with `review.state` accepted. Its other boxes have no mask:
--count of BOXES.json, or without it those of TRUTH's other images. OUT/held.json has the true masks
of these other images, to evaluate with. OUT/images is a folder of links.
"""
import argparse
import json
import os
import random


def load(path):
    with open(path) as file:
        return json.load(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("truth")
    parser.add_argument("images")
    parser.add_argument("out")
    parser.add_argument("--objects", type=int, default=100)
    parser.add_argument("--boxes", nargs=2)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    truth = load(options.truth)
    os.makedirs(options.out + "/images", exist_ok=True)
    images, records = [], []

    def add(image, folder, annotations):
        name = f"{len(images) + 1}{os.path.splitext(image['file_name'])[1]}"
        link = f"{options.out}/images/{name}"
        if not os.path.lexists(link):
            os.symlink(os.path.abspath(f"{folder}/{image['file_name']}"), link)
        images.append({**image, "id": len(images) + 1, "file_name": name})
        for record in annotations:
            records.append({**record, "id": len(records) + 1, "image_id": len(images)})

    def by_image(file):
        found = {}
        for record in file["annotations"]:
            box = record["bbox"]
            if not record.get("iscrowd") and box[2] * box[3] > 500:
                found.setdefault(record["image_id"], []).append(record)
        return found

    def box_only(record):
        return {k: v for k, v in record.items() if k not in ("segmentation", "area")}

    known = by_image(truth)
    order = [image for image in truth["images"] if image["id"] in known]
    rng.shuffle(order)
    held, objects = [], 0
    for image in order:
        if objects >= options.objects:
            held.append(image)
            continue
        objects += len(known[image["id"]])
        review = {"state": "accepted", "by": "teach.py", "seconds": 0}
        add(image, options.images, [{**r, "review": review} for r in known[image["id"]]])
    reviewed = len(records)
    if options.boxes:
        more = load(options.boxes[0])
        others, folder = by_image(more), options.boxes[1]
        rest = [image for image in more["images"] if image["id"] in others]
        rng.shuffle(rest)
    else:
        others, folder, rest = known, options.images, held
    for image in rest:
        if options.boxes and len(records) - reviewed >= options.count:
            break
        add(image, folder, [box_only(record) for record in others[image["id"]]])
    with open(options.out + "/train.json", "w") as file:
        json.dump({"images": images, "annotations": records, "categories": truth["categories"]}, file)
    ids = {image["id"] for image in held}
    kept = [record for record in truth["annotations"] if record["image_id"] in ids]
    with open(options.out + "/held.json", "w") as file:
        json.dump({"images": held, "annotations": kept, "categories": truth["categories"]}, file)
    print(
        f"{reviewed} reviewed and {len(records) - reviewed} other boxes in {len(images)} images; "
        f"{len(kept)} objects in {len(held)} images to evaluate with")


if __name__ == "__main__":
    main()
