"""One random data set, written in every format that mal reads."""

import csv
import json
import pathlib
import random
from xml.sax.saxutils import escape

from PIL import Image

NAMES = ["ant", "bee & co", "cat", "dog", "eel"]


class DataSet:
    """`boxes` of an image: category, x, y, width, height in whole pixels inside it, from 0."""

    def __init__(self, images, per_image, seed):
        numbers = random.Random(seed)
        self.sizes = [(numbers.randint(40, 200), numbers.randint(40, 200)) for _ in range(images)]
        self.boxes = []
        for width, height in self.sizes:
            rows = []
            for _ in range(per_image):
                w, h = numbers.randint(3, width // 2), numbers.randint(3, height // 2)
                rows.append((numbers.randrange(len(NAMES)), numbers.randint(1, width - w), numbers.randint(1, height - h), w, h))
            self.boxes.append(rows)

    def name(self, image):
        return f"{image:012}.png"

    def rows(self):
        """(file name, category name, x, y, width, height)"""
        return [(self.name(i), NAMES[c], x, y, w, h) for i, rows in enumerate(self.boxes) for c, x, y, w, h in rows]

    def write(self, root):
        """Returns format → what to read, further arguments."""
        root = pathlib.Path(root)
        for folder in ["yolo/images/train", "yolo/labels/train", "voc/Annotations", "kitti/training/label_2", "labelme", "flat"]:
            (root / folder).mkdir(parents=True)
        images = root / "yolo/images/train"
        for i, size in enumerate(self.sizes):
            Image.new("RGB", size, (i % 256, 80, 120)).save(images / self.name(i), compress_level=1)
        with_images = ["--images", str(images)]
        self._coco(root)
        self._per_image(root)
        with open(root / "boxes.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "x", "y", "w", "h", "label"])
            for name, category, *box in self.rows():
                writer.writerow([name, *box, category])
        return {
            "coco": (root / "coco.json", []), "lvis": (root / "lvis.json", []), "objects365": (root / "o365.json", []),
            "ytvis": (root / "ytvis.json", []), "voc": (root / "voc", []), "yolo": (root / "yolo/data.yaml", with_images),
            "kitti": (root / "kitti", with_images), "labelme": (root / "labelme", []), "csv": (root / "boxes.csv", with_images),
            "detections": (root / "detections.json", ["--images-from", str(root / "coco.json")]),
        }

    def _coco(self, root):
        images, annotations, frames, instances = [], [], [], []
        for i, (width, height) in enumerate(self.sizes):
            images.append({"id": i, "file_name": self.name(i), "width": width, "height": height})
            for c, x, y, w, h in self.boxes[i]:
                annotations.append({
                    "id": len(annotations) + 1, "image_id": i, "category_id": c + 1, "bbox": [x, y, w, h], "area": w * h, "iscrowd": 0,
                    "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]]})
        categories = [{"id": c + 1, "name": name} for c, name in enumerate(NAMES)]
        coco = {"images": images, "annotations": annotations, "categories": categories}
        json.dump(coco, open(root / "coco.json", "w"))
        lvis = [
            {"id": x["id"], "width": x["width"], "height": x["height"], "neg_category_ids": [], "not_exhaustive_category_ids": [],
             "coco_url": "http://images.cocodataset.org/train2017/" + x["file_name"]} for x in images]
        more = [{**x, "synset": x["name"], "frequency": "f", "image_count": 1, "instance_count": 1} for x in categories]
        json.dump({**coco, "images": lvis, "categories": more}, open(root / "lvis.json", "w"))
        patches = [{**x, "file_name": f"images/v1/patch{x['id'] % 50}/{x['file_name']}"} for x in images]
        json.dump({**coco, "images": patches}, open(root / "o365.json", "w"))
        scored = [{"image_id": x["image_id"], "category_id": x["category_id"], "bbox": x["bbox"], "score": x["id"] % 97 / 97} for x in annotations]
        json.dump(scored, open(root / "detections.json", "w"))
        # Ten images are a video, as long as there are ten left; the first box of each is an instance, and so on.
        for start in range(0, len(images), 10):
            part = range(start, min(start + 10, len(images)))
            width, height = max(self.sizes[i][0] for i in part), max(self.sizes[i][1] for i in part)
            frames.append({"id": start, "width": width, "height": height, "length": len(part), "file_names": [self.name(i) for i in part]})
            for k in range(len(self.boxes[start])):
                instances.append({
                    "id": len(instances) + 1, "video_id": start, "category_id": self.boxes[start][k][0] + 1, "iscrowd": 0,
                    "bboxes": [list(self.boxes[i][k][1:]) for i in part]})
        json.dump({"videos": frames, "annotations": instances, "categories": categories}, open(root / "ytvis.json", "w"))

    def _per_image(self, root):
        listed = "".join(f"  {c}: {json.dumps(name)}\n" for c, name in enumerate(NAMES))
        (root / "yolo/data.yaml").write_text(f"path: .\ntrain: images/train\nnc: {len(NAMES)}\nnames:\n{listed}")
        for i, (width, height) in enumerate(self.sizes):
            stem = self.name(i)[:-4]
            yolo, voc, kitti, shapes = [], [], [], []
            for c, x, y, w, h in self.boxes[i]:
                yolo.append(f"{c} {(x + w / 2) / width:.9f} {(y + h / 2) / height:.9f} {w / width:.9f} {h / height:.9f}\n")
                kitti.append(f"{NAMES[c].replace(' ', '_')} 0.00 0 -1.57 {x}.00 {y}.00 {x + w}.00 {y + h}.00 1 1 1 0 0 9 -1.5\n")
                # From 1, both corners inside.
                voc.append(
                    f"<object><name>{escape(NAMES[c])}</name><pose>Left</pose><truncated>0</truncated><difficult>0</difficult><bndbox>"
                    f"<xmin>{x + 1}</xmin><ymin>{y + 1}</ymin><xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>\n")
                shapes.append({
                    "label": NAMES[c], "points": [[x, y], [x + w, y + h]], "group_id": None, "description": "", "shape_type": "rectangle",
                    "flags": {}})
            (root / f"yolo/labels/train/{stem}.txt").write_text("".join(yolo))
            (root / f"kitti/training/label_2/{stem}.txt").write_text("".join(kitti))
            (root / f"voc/Annotations/{stem}.xml").write_text(
                f"<annotation><folder>x</folder><filename>{self.name(i)}</filename><size><width>{width}</width><height>{height}</height>"
                f"<depth>3</depth></size><segmented>0</segmented>\n{''.join(voc)}</annotation>\n")
            json.dump({
                "version": "5.3.1", "flags": {}, "shapes": shapes, "imagePath": self.name(i), "imageData": None, "imageHeight": height,
                "imageWidth": width}, open(root / f"labelme/{stem}.json", "w"))
