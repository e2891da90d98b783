#!/usr/bin/env python3
"""Compares mal with the tools that annotation formats come from, both ways, mask by mask.

    tools.py MAL INSTANCES.json IMAGES [--work DIR] [--only FORMAT …]

A row a format, tool and way: `reads mal` loads what mal wrote with the tool, `mal reads` loads what the tool wrote
with mal. Masks and boxes of both are paired within image and category: how many there are, how many have a partner,
how many masks are equal, the mean and the worst IoU, and the largest error of a box in pixels.
Needs requirements.txt; a tool that is not there is left out.
"""
import argparse
import collections
import contextlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
from pycocotools import mask as rle


def encoded(mask):
    return rle.encode(np.asfortranarray(np.asarray(mask, dtype=np.uint8)))


def outlined(polygons, height, width):
    return rle.merge(rle.frPyObjects([list(map(float, p)) for p in polygons], height, width))


def coco(path):
    """[(image without folders and extension, category, mask or None, box)]"""
    data = json.load(open(path))
    images = {i["id"]: i for i in data["images"]}
    names = {c["id"]: c["name"] for c in data["categories"]}
    rows = []
    for a in data["annotations"]:
        image, mask = images[a["image_id"]], a.get("segmentation") or None
        if isinstance(mask, list):
            mask = outlined(mask, image["height"], image["width"])
        elif mask and isinstance(mask["counts"], list):
            mask = rle.frPyObjects(mask, image["height"], image["width"])
        rows.append((pathlib.Path(image["file_name"]).stem, names[a["category_id"]], mask, a["bbox"]))
    return rows


# Tools: load(path) gives rows as coco does, save(rows of COCO, folder) gives the path for mal.

def datumaro_rows(dataset):
    import datumaro
    kinds = datumaro.AnnotationType
    names = [l.name for l in dataset.categories()[kinds.label]]
    for item in dataset:
        height, width = sizes[pathlib.Path(item.id).stem]
        for a in item.annotations:
            mask = None
            if a.type == kinds.mask:
                # Masks that others cover wholly stay in its lists.
                if not a.image.any():
                    continue
                mask = encoded(a.image)
            elif a.type == kinds.polygon:
                mask = outlined([a.points], height, width)
            elif a.type != kinds.bbox:
                continue
            yield pathlib.Path(item.id).stem, names[a.label], mask, list(a.get_bbox())


def datumaro_load(path, name):
    import datumaro
    return list(datumaro_rows(datumaro.Dataset.import_from(str(path), name)))


def datumaro_save(out, name, boxes=False):
    import datumaro
    from datumaro.components.annotation import Bbox, Mask, Polygon
    from datumaro.components.media import Image
    data = json.load(open(args.instances))
    names = [c["name"] for c in data["categories"]]
    places = {c["id"]: i for i, c in enumerate(data["categories"])}
    found = collections.defaultdict(list)
    heights = {i["id"]: i for i in data["images"]}
    for number, a in enumerate(data["annotations"], 1):
        # Some of COCO's ids have more than 24 bits.
        a["id"] = number
        label, s = places[a["category_id"]], a["segmentation"]
        image = heights[a["image_id"]]
        if boxes:
            shape = Bbox(*a["bbox"], label=label, id=a["id"], group=a["id"])
        elif isinstance(s, list) and len(s) == 1 and name in ("cvat", "datumaro"):
            shape = Polygon(s[0], label=label, id=a["id"], group=a["id"])
        else:
            mask = rle.frPyObjects(s, image["height"], image["width"])
            mask = rle.merge(mask) if isinstance(mask, list) else mask
            shape = Mask(rle.decode(mask).astype(bool), label=label, id=a["id"], group=a["id"])
        found[a["image_id"]].append(shape)
    items = [
        datumaro.DatasetItem(
            id=pathlib.Path(i["file_name"]).stem, subset="val", annotations=found[i["id"]],
            media=Image.from_file(path=os.path.join(args.images, i["file_name"])))
        for i in data["images"]]
    dataset = datumaro.Dataset.from_iterable(items, categories=names)
    dataset.export(str(out), name, save_media=True)


def label_studio_load(path):
    """Boxes and polygons by the converter to COCO, brushes by the decoder."""
    from label_studio_sdk.converter import brush
    from label_studio_sdk.converter.converter import Converter
    tasks = json.load(open(path))
    rows, plain = [], []
    for number, task in enumerate(tasks):
        results = task["predictions"][0]["result"]
        name = task["data"]["image"].split("=")[1]
        stem = pathlib.Path(name).stem
        for r in results:
            if r["type"] == "brushlabels":
                pixels = brush.decode_rle(r["value"]["rle"]).reshape(r["original_height"], r["original_width"], 4)
                mask = encoded(pixels[:, :, 3] > 128)
                rows.append((stem, r["value"]["brushlabels"][0], mask, list(rle.toBbox(mask))))
        rest = [r for r in results if r["type"] != "brushlabels"]
        plain.append({"id": number + 1, "data": {"image": name},
                      "annotations": [{"id": number + 1, "result": rest}]})
    names = sorted({r["value"][r["type"]][0] for t in tasks for r in t["predictions"][0]["result"]})
    labels = "".join(f'<Label value="{n}"/>' for n in names)
    config = f'''<View><Image name="image" value="$image"/>
      <RectangleLabels name="label" toName="image">{labels}</RectangleLabels>
      <PolygonLabels name="polygon" toName="image">{labels}</PolygonLabels></View>'''
    folder = pathlib.Path(path).with_suffix(".plain")
    folder.mkdir(exist_ok=True)
    (folder / "tasks.json").write_text(json.dumps(plain))
    Converter(config, None, download_resources=False).convert_to_coco(
        str(folder / "tasks.json"), str(folder / "out"), is_dir=False)
    # It puts eight digits in front of names.
    found = coco(folder / "out" / "result.json")
    return rows + [(stem.split("__")[-1], *rest) for stem, *rest in found]


def label_studio_save(out):
    """Polygons and rectangles by the importer of COCO files, masks by the encoder of brushes."""
    from label_studio_sdk.converter import brush
    data = json.load(open(args.instances))
    names = {c["id"]: c["name"] for c in data["categories"]}
    images = {i["id"]: i for i in data["images"]}
    tasks = {i: {"data": {"image": f"/data/upload/1/0a1b2c3d-{x['file_name']}"}, "annotations": [{"result": []}]}
             for i, x in images.items()}
    for a in data["annotations"]:
        image, s = images[a["image_id"]], a["segmentation"]
        mask = rle.frPyObjects(s, image["height"], image["width"])
        mask = rle.merge(mask) if isinstance(mask, list) else mask
        tasks[a["image_id"]]["annotations"][0]["result"].append({
            "id": str(a["id"]), "type": "brushlabels", "from_name": "tag", "to_name": "image",
            "original_width": image["width"], "original_height": image["height"], "image_rotation": 0,
            "value": {"format": "rle", "rle": brush.mask2rle(rle.decode(mask) * 255),
                      "brushlabels": [names[a["category_id"]]]}})
    out.mkdir()
    (out / "export.json").write_text(json.dumps(list(tasks.values())))
    return out / "export.json"


def panoptic_load(path):
    from panopticapi.evaluation import pq_compute
    from panopticapi.utils import rgb2id
    from PIL import Image
    path = pathlib.Path(path)
    data = json.load(open(path / "panoptic.json"))
    # Without stuff panopticapi divides by 0.
    for category in data["categories"][::2]:
        category["isthing"] = 0
    (path / "stuff.json").write_text(json.dumps(data))
    with contextlib.redirect_stdout(io.StringIO()):
        quality = pq_compute(*[str(path / "stuff.json")] * 2, *[str(path / "panoptic")] * 2)
    assert quality["All"]["pq"] == 1, quality["All"]
    names = {c["id"]: c["name"] for c in data["categories"]}
    images = {i["id"]: i for i in data["images"]}
    rows = []
    for a in data["annotations"]:
        ids = rgb2id(np.array(Image.open(path / "panoptic" / a["file_name"])))
        for s in a["segments_info"]:
            mask = encoded(ids == s["id"])
            assert rle.area(mask) == s["area"]
            rows.append((pathlib.Path(images[a["image_id"]]["file_name"]).stem, names[s["category_id"]], mask, s["bbox"]))
    return rows


def supervisely_load(path):
    from supervisely.geometry.bitmap import Bitmap
    rows = []
    for file in sorted(pathlib.Path(path, "ds0/ann").glob("*.json")):
        data = json.load(open(file))
        height, width = data["size"]["height"], data["size"]["width"]
        for o in data["objects"]:
            if o["geometryType"] == "bitmap":
                bitmap = Bitmap.from_json({"geometryType": "bitmap", **o})
                mask = np.zeros((height, width), np.uint8)
                y, x = bitmap.origin.row, bitmap.origin.col
                mask[y:y + bitmap.data.shape[0], x:x + bitmap.data.shape[1]] = bitmap.data
                mask = encoded(mask)
                rows.append((pathlib.Path(file.stem).stem, o["classTitle"], mask, list(rle.toBbox(mask))))
            else:
                (x0, y0), (x1, y1) = o["points"]["exterior"]
                rows.append((pathlib.Path(file.stem).stem, o["classTitle"], None, [x0, y0, x1 - x0, y1 - y0]))
    return rows


def supervisely_save(out):
    from supervisely.geometry.bitmap import Bitmap
    data = json.load(open(args.instances))
    names = {c["id"]: c["name"] for c in data["categories"]}
    (out / "ds0/ann").mkdir(parents=True)
    (out / "meta.json").write_text(json.dumps({"classes": [{"title": n} for n in names.values()], "tags": []}))
    files = {i["id"]: (i, []) for i in data["images"]}
    for a in data["annotations"]:
        image, objects = files[a["image_id"]]
        mask = rle.frPyObjects(a["segmentation"], image["height"], image["width"])
        mask = rle.merge(mask) if isinstance(mask, list) else mask
        objects.append({"id": a["id"], "classTitle": names[a["category_id"]], "tags": [],
                        **Bitmap(rle.decode(mask).astype(bool)).to_json()})
    for image, objects in files.values():
        (out / "ds0/ann" / (image["file_name"] + ".json")).write_text(json.dumps(
            {"size": {"height": image["height"], "width": image["width"]}, "tags": [], "objects": objects}))
    return out


def supervision_createml(out):
    import supervision
    dataset = supervision.DetectionDataset.from_coco(args.images, args.instances)
    out.mkdir()
    dataset.as_createml(annotations_path=str(out / "createml.json"))
    return out / "createml.json"


def saved(name, path=".", boxes=False):
    def save(out):
        datumaro_save(out, name, boxes)
        return out / path
    return save


def panoptic_from_datumaro(out):
    datumaro_save(out, "coco_panoptic")
    return out / "annotations/panoptic_val.json"


def panoptic_by_datumaro(path):
    """Datumaro wants COCO's own names, and the photographs."""
    layout = pathlib.Path(str(path) + ".coco")
    shutil.copytree(path / "panoptic", layout / "annotations/panoptic_val")
    shutil.copy(path / "panoptic.json", layout / "annotations/panoptic_val.json")
    (layout / "images").mkdir()
    (layout / "images/val").symlink_to(os.path.abspath(args.images))
    return datumaro_load(layout, "coco_panoptic")


def cvat_by_datumaro(path):
    """Datumaro wants the photographs where CVAT's archives have them."""
    layout = path.with_suffix(".cvat")
    layout.mkdir()
    shutil.copy(path, layout / "annotations.xml")
    (layout / "images").symlink_to(os.path.abspath(args.images))
    return datumaro_load(layout, "cvat")


# format, name of mal's output, tool, how it loads mal's output, how it writes what mal reads, and where masks cover
# each other in what it writes, how it loads that
MATRIX = [
    ("cvat", "out.xml", "datumaro", cvat_by_datumaro, saved("cvat", "val.xml")),
    ("label-studio", "out.json", "label-studio-sdk", label_studio_load, label_studio_save),
    ("coco-panoptic", "out", "panopticapi", panoptic_load, None),
    ("coco-panoptic", "out", "datumaro", panoptic_by_datumaro, panoptic_from_datumaro,
     lambda p: datumaro_load(p.parent.parent, "coco_panoptic")),
    ("voc-colors", "out", "datumaro", lambda p: datumaro_load(p, "voc_segmentation"), saved("voc_segmentation"),
     lambda p: datumaro_load(p, "voc_segmentation")),
    ("datumaro", "out", "datumaro", lambda p: datumaro_load(p, "datumaro"), saved("datumaro")),
    ("supervisely", "out", "supervisely", supervisely_load, supervisely_save),
    ("open-images", None, "datumaro", None, saved("open_images", "annotations/val-annotations-bbox.csv", boxes=True)),
    ("open-images", None, "datumaro (masks)", None, saved("open_images", "annotations/val-annotations-object-segmentation.csv")),
    ("createml", None, "supervision", None, supervision_createml),
]


def mal(*words):
    run = subprocess.run([args.mal, *map(str, words)], capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(run.stderr.strip()[-2000:])


def pair(a, b):
    """Pairs of one image and category, nearest first; the IoU of the masks, or None for boxes."""
    if not a or not b:
        return []
    both = all(x[2] is not None for x in a + b)
    if both:
        score = rle.iou([x[2] for x in a], [x[2] for x in b], [0] * len(b))
    else:
        far = np.abs(np.array([x[3] for x in a], float)[:, None] - np.array([x[3] for x in b], float)[None]).max(2)
        score = -far
    pairs, used = [], (set(), set())
    for place in np.argsort(-score, axis=None, kind="stable"):
        i, j = np.unravel_index(place, score.shape)
        if i not in used[0] and j not in used[1]:
            used[0].add(i), used[1].add(j)
            # The box of a mask is that of its pixels where the format has none.
            pairs.append((score[i, j] if both else None, 0 if both else np.abs(np.subtract(a[i][3], b[j][3])).max()))
    return pairs


def compare(theirs, ours):
    groups = [collections.defaultdict(list) for _ in range(2)]
    for rows, group in zip((theirs, ours), groups):
        for row in rows:
            group[row[:2]].append(row)
    pairs = [p for key in groups[0].keys() | groups[1].keys() for p in pair(groups[0][key], groups[1][key])]
    ious = [p[0] for p in pairs if p[0] is not None]
    masks = f"{sum(v == 1 for v in ious)} | {np.mean(ious):.6f} | {min(ious):.6f}" if ious else "– | – | –"
    return f"{len(theirs)} | {len(ours)} | {len(pairs)} | {masks} | {max((p[1] for p in pairs), default=0):.4f}"


def main():
    print("| format | tool | way | theirs | mal's | pairs | equal masks | mean IoU | worst IoU | box error |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for number, (name, output, tool, load, save, *reload) in enumerate(MATRIX):
        if args.only and name not in args.only:
            continue
        folder = args.work / f"{number}-{name}"
        folder.mkdir(parents=True)
        for way, step in [("reads mal", load), ("mal reads", save)]:
            if not step:
                continue
            try:
                with contextlib.redirect_stdout(sys.stderr):
                    if way == "reads mal":
                        mal("convert", args.instances, folder / output, "--to", name, "--images", args.images)
                        source = folder / output
                        theirs = load(source)
                    else:
                        source = save(folder / "theirs")
                        theirs = reload[0](source) if reload else coco(args.instances)
                    mal("convert", source, folder / f"{way[:3]}.json", "--to", "coco", "--images", args.images)
                row = compare(theirs, coco(folder / f"{way[:3]}.json"))
            except ImportError as error:
                row = f"not installed: {error}"
            except Exception as error:
                row = f"{type(error).__name__}: {error}"
            print(f"| `{name}` | {tool} | {way} | {row} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mal"), parser.add_argument("instances"), parser.add_argument("images")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="a folder that is not there yet")
    parser.add_argument("--only", nargs="*")
    args = parser.parse_args()
    sizes = {pathlib.Path(i["file_name"]).stem: (i["height"], i["width"]) for i in json.load(open(args.instances))["images"]}
    main()
