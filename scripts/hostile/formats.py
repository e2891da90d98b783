"""Annotations of the other formats: broken, hostile and enormous files, each given to `mal validate`."""

import json
import os

import masks
import tools
from sandbox import Case

VOC = "<annotation><filename>%s</filename><size><width>64</width><height>48</height></size>%s</annotation>"
OBJECT = "<object><name>cat</name><bndbox><xmin>%s</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object>"
KITTI = "Car 0 0 -1.5 %s 2 30 40 1 1 1 1 1 1 1\n"
HEADER = "image,x,y,w,h,label\n"
LABELME = {
    "version": "5.3.1", "imagePath": "a.png", "imageHeight": 48, "imageWidth": 64, "imageData": None,
    "shapes": [{"label": "cat", "points": [[1, 2], [30, 40]], "shape_type": "rectangle"}],
}
VIDEO = {
    "videos": [{"id": 1, "width": 64, "height": 48, "file_names": ["a.png", "b.png"]}],
    "annotations": [{"id": 1, "video_id": 1, "category_id": 1, "bboxes": [[1, 2, 30, 38], None]}],
    "categories": [{"id": 1, "name": "cat"}],
}
INSTANCES = {
    "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}], "annotations": [],
    "categories": [{"id": 1, "name": "cat"}],
}
DETECTION = {"image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 38], "score": 0.5}
YAML = "names: [cat, dog]\n"
LAUGHS = '<!DOCTYPE a [<!ENTITY a0 "lol">' + "".join(
    f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12)) + "]><annotation>&a11;</annotation>"
YAML_LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)) + "names: *a11\n"


def labelme(**values):
    return {**LABELME, **values}


def shape(**values):
    return labelme(shapes=[{**LABELME["shapes"][0], **values}])


def video(**values):
    return {**VIDEO, "annotations": [{**VIDEO["annotations"][0], **values}]}


def voc(objects, name="a.png"):
    return VOC % (name, objects)


def yolo(label, yaml=YAML):
    return {"labels/a.txt": label, "data.yaml": yaml}


# name, expected, what to validate, its files (content, or a function that gives it), further arguments
CASES = [
    ("VOC: control", "done", "a.xml", {"a.xml": voc(OBJECT % 3)}, []),
    ("VOC: billion laughs", "error", "a.xml", {"a.xml": LAUGHS}, []),
    ("VOC: an external entity", "error", "a.xml",
     {"a.xml": '<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><annotation>&e;</annotation>'}, []),
    ("VOC: entities in UTF-7", "error", "a.xml",
     {"a.xml": '<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><annotation>&e;</annotation>'}, []),
    ("VOC: UTF-16", "error", "a.xml", {"a.xml": voc(OBJECT % 3).encode("utf-16")}, []),
    ("VOC: 100,000 elements deep", "error", "a.xml", {"a.xml": "<annotation>" * 100_000}, []),
    ("VOC: 100,000 attributes", "error", "a.xml", {"a.xml": "<annotation " + " ".join(f'b{i}="1"' for i in range(100_000)) + "/>"}, []),
    ("VOC: a name of 20 MB", "error", "a.xml", {"a.xml": lambda: voc("<object><name>" + "x" * 20_000_000 + "</name></object>")}, []),
    ("VOC: an element that is not closed", "error", "a.xml", {"a.xml": "<annotation>\n<object>\n</annotation>"}, []),
    ("VOC: text after the end", "error", "a.xml", {"a.xml": voc("") + "junk"}, []),
    ("VOC: invalid UTF-8", "error", "a.xml", {"a.xml": voc("").encode() .replace(b"a.png", b"\xff\xfe")}, []),
    ("VOC: a corner NaN", "error", "a.xml", {"a.xml": voc(OBJECT % "NaN")}, []),
    ("VOC: a corner 1e999", "error", "a.xml", {"a.xml": voc(OBJECT % "1e999")}, []),
    ("VOC: no corners", "error", "a.xml", {"a.xml": voc("<object><name>cat</name></object>")}, []),
    ("VOC: a size of -5", "error", "a.xml", {"a.xml": voc("").replace("64", "-5")}, []),
    ("VOC: a size of 2^62", "error", "a.xml", {"a.xml": voc("").replace("64", str(2**62))}, []),
    ("VOC: an image that climbs out", "error", "a.xml", {"a.xml": voc(OBJECT % 3, "../../../../etc/passwd")}, []),
    ("VOC: two files of one image", "error", "d", {"d/a.xml": voc(OBJECT % 3), "d/b.xml": voc(OBJECT % 3)}, []),
    ("VOC: an HTML page", "error", "a.xml", {"a.xml": "<html><body>not found</body></html>"}, []),
    ("VOC: empty", "error", "a.xml", {"a.xml": ""}, []),
    ("YOLO: control", "done", "data.yaml", yolo("0 0.5 0.5 0.5 0.5\n"), []),
    ("YOLO: class 2 of 2", "error", "data.yaml", yolo("2 0.5 0.5 0.5 0.5\n"), []),
    ("YOLO: class 10^18", "error", "labels", {"labels/a.txt": "1000000000000000000 0.5 0.5 0.5 0.5\n"}, []),
    ("YOLO: class -1", "error", "data.yaml", yolo("-1 0.5 0.5 0.5 0.5\n"), []),
    ("YOLO: NaN", "error", "data.yaml", yolo("0 nan 0.5 0.5 0.5\n"), []),
    ("YOLO: pixels", "error", "data.yaml", yolo("0 312 200 50 50\n"), []),
    ("YOLO: four fields", "error", "data.yaml", yolo("0 0.5 0.5 0.5\n"), []),
    ("YOLO: 20 million fields in a line", "error", "data.yaml", yolo(lambda: "0" + " 1" * 20_000_000), []),
    ("YOLO: 128 MB without a line end", "error", "data.yaml", yolo(lambda: b"0" * (128 << 20)), []),
    ("YOLO: 200,000 wrong lines", "error", "data.yaml", yolo("0 9 9 9 9\n" * 200_000), []),
    ("YOLO: invalid UTF-8", "error", "data.yaml", yolo(b"0 0.5 \xff\xfe 0.5 0.5\n"), []),
    ("YOLO: no image", "error", "data.yaml", {"labels/b.txt": "0 0.5 0.5 0.5 0.5\n", "data.yaml": YAML}, []),
    ("YOLO: an image of no size", "error", "data.yaml",
     {**yolo("0 0.5 0.5 0.5 0.5\n"), "images/a.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0" * 20}, []),
    ("YOLO: two images of one name", "error", "data.yaml", {**yolo("0 0.5 0.5 0.5 0.5\n"), "images/a.jpg": b"\xff\xd8\xff"}, []),
    ("YOLO: billion laughs in data.yaml", "error", "data.yaml", yolo("0 0.5 0.5 0.5 0.5\n", YAML_LAUGHS), []),
    ("YOLO: 10,000 lists deep in data.yaml", "error", "data.yaml", yolo("", "names: " + "[" * 10_000), []),
    ("YOLO: class number 10^9 in data.yaml", "error", "data.yaml", yolo("", "names: {1000000000: cat}\n"), []),
    ("YOLO: a name twice in data.yaml", "error", "data.yaml", yolo("", "names: [cat, cat]\n"), []),
    ("YOLO: no names in data.yaml", "error", "data.yaml", yolo("", "train: images\n"), []),
    ("YOLO: nc is another number", "error", "data.yaml", yolo("", "nc: 80\nnames: [cat]\n"), []),
    ("YOLO: a folder in itself", "any", "loop", {"loop/data.yaml": YAML}, []),
    ("KITTI: control", "done", "label_2", {"label_2/a.txt": KITTI % 3}, []),
    ("KITTI: inf", "error", "label_2", {"label_2/a.txt": KITTI % "inf"}, []),
    ("KITTI: 17 fields", "error", "label_2", {"label_2/a.txt": "0 " + KITTI % 3 + "1 " + KITTI % 3}, []),
    ("KITTI: 3 fields", "error", "label_2", {"label_2/a.txt": "Car 1 2\n"}, []),
    ("KITTI: a box turned round", "error", "label_2", {"label_2/a.txt": KITTI % 300}, []),
    ("KITTI: invalid UTF-8", "error", "label_2", {"label_2/a.txt": b"\xff\xfe" + (KITTI % 3).encode()}, []),
    ("LabelMe: control", "done", "a.json", {"a.json": LABELME}, []),
    ("LabelMe: points are text", "error", "a.json", {"a.json": shape(points="1,2,3,4")}, []),
    ("LabelMe: a point of three", "error", "a.json", {"a.json": shape(points=[[1, 2, 3], [4, 5, 6]])}, []),
    ("LabelMe: 1e999", "error", "a.json", {"a.json": json.dumps(LABELME).replace("30,", "1e999,")}, []),
    ("LabelMe: points 10,000 lists deep", "error", "a.json", {"a.json": json.dumps(LABELME).replace("[[1, 2], [30, 40]]", "[" * 10_000)}, []),
    ("LabelMe: no label", "error", "a.json", {"a.json": shape(label=None)}, []),
    ("LabelMe: a shape is a number", "error", "a.json", {"a.json": labelme(shapes=[7])}, []),
    ("LabelMe: no image", "error", "a.json", {"a.json": labelme(imagePath=None)}, []),
    ("LabelMe: an image of width 0", "error", "a.json", {"a.json": labelme(imageWidth=0, imagePath="c.png")}, []),
    ("LabelMe: a million points", "done", "a.json", {"a.json": lambda: shape(points=[[i % 60, i % 40] for i in range(1_000_000)], shape_type="polygon")}, []),
    ("LabelMe: 100,000 points of a line", "error", "a.json", {"a.json": shape(points=[[1, 1]] * 100_000, shape_type="linestrip")}, []),
    ("CSV: control", "done", "a.csv", {"a.csv": HEADER + "a.png,1,2,30,38,cat\n"}, []),
    ("CSV: no header", "error", "a.csv", {"a.csv": "a.png,1,2,30,38,cat\n"}, []),
    ("CSV: 10^7 columns", "error", "a.csv", {"a.csv": lambda: HEADER + "," * 10_000_000 + "\n"}, []),
    ("CSV: 10^7 columns in the header", "error", "a.csv", {"a.csv": lambda: "x," * 10_000_000 + "\n"}, []),
    ("CSV: a quote that never ends, 64 MB", "error", "a.csv", {"a.csv": lambda: HEADER + '"' + "a" * (64 << 20)}, []),
    ("CSV: a field of 64 MB", "error", "a.csv", {"a.csv": lambda: HEADER + "a" * (64 << 20)}, []),
    ("CSV: a million quotes", "error", "a.csv", {"a.csv": HEADER + '"a"b,1,2,3,4,c\n' * 100_000}, []),
    ("CSV: NaN", "error", "a.csv", {"a.csv": HEADER + "a.png,nan,2,30,38,cat\n"}, []),
    ("CSV: an image that climbs out", "error", "a.csv", {"a.csv": HEADER + "../../etc/passwd,1,2,30,38,cat\n"}, []),
    ("CSV: an absolute image", "error", "a.csv", {"a.csv": HEADER + "/etc/passwd,1,2,30,38,cat\n"}, []),
    ("CSV: a zero byte in a name", "error", "a.csv", {"a.csv": HEADER + "a\0.png,1,2,30,38,cat\n"}, []),
    ("CSV: terminal control sequences", "error", "a.csv", {"a.csv": HEADER + "\x1b[2J.png,\x1b[2J,2,30,38,cat\n"}, []),
    ("CSV: invalid UTF-8", "error", "a.csv", {"a.csv": HEADER.encode() + b"a.png,1,2,30,38,\xff\xfe\n"}, []),
    ("CSV: UTF-16", "error", "a.csv", {"a.csv": (HEADER + "a.png,1,2,30,38,cat\n").encode("utf-16")}, []),
    ("CSV: a column twice", "error", "a.csv", {"a.csv": "image,x,x,y,w,h,label\n"}, []),
    ("CSV: shares instead of pixels", "error", "a.csv", {"a.csv": HEADER + "a.png,0.1,0.2,0.3,0.4,cat\n"}, []),
    ("detections: control", "done", "d.json", {"d.json": [DETECTION], "i.json": INSTANCES}, ["--images-from", "i.json"]),
    ("detections: no images", "error", "d.json", {"d.json": [{**DETECTION, "image_id": 99}]}, []),
    ("detections: images from themselves", "error", "d.json", {"d.json": [DETECTION]}, ["--images-from", "d.json"]),
    ("detections: a list of numbers", "error", "d.json", {"d.json": [1, 2, 3], "i.json": INSTANCES}, ["--images-from", "i.json"]),
    ("detections: a box NaN", "error", "d.json", {"d.json": '[{"image_id": 1, "category_id": 1, "bbox": [NaN, 1, 2, 3]}]', "i.json": INSTANCES}, ["--images-from", "i.json"]),
    ("detections: 100,000 lists deep", "error", "d.json", {"d.json": "[" * 100_000}, []),
    ("detections: cut off", "error", "d.json", {"d.json": json.dumps([DETECTION])[:-3], "i.json": INSTANCES}, ["--images-from", "i.json"]),
    ("YouTube-VIS: control", "done", "v.json", {"v.json": VIDEO, "images/b.png": None}, []),
    ("YouTube-VIS: a box too few", "error", "v.json", {"v.json": video(bboxes=[[1, 2, 3, 4]])}, []),
    ("YouTube-VIS: boxes are text", "error", "v.json", {"v.json": video(bboxes="none")}, []),
    ("YouTube-VIS: a box of text", "error", "v.json", {"v.json": video(bboxes=[["a", 2, 3, 4], None])}, []),
    ("YouTube-VIS: a mask too many", "error", "v.json", {"v.json": video(segmentations=[None] * 3)}, []),
    ("YouTube-VIS: an unknown video", "error", "v.json", {"v.json": video(video_id=9)}, []),
    ("YouTube-VIS: a frame that climbs out", "error", "v.json",
     {"v.json": {**VIDEO, "videos": [{"id": 1, "file_names": ["../../etc/passwd", "b.png"]}]}}, []),
    ("YouTube-VIS: 5 million frames", "error", "v.json", {"v.json": lambda: video(bboxes=[None] * 5_000_000)}, []),
    ("LVIS: an address that climbs out", "error", "l.json",
     {"l.json": {**INSTANCES, "images": [{"id": 1, "coco_url": "http://x/../etc"}]}}, []),
    ("LVIS: an address of slashes", "error", "l.json", {"l.json": {**INSTANCES, "images": [{"id": 1, "coco_url": "////"}]}}, []),
    ("Objects365: 100,000 patches", "any", "o.json",
     {"o.json": {**INSTANCES, "images": [{"id": 1, "file_name": "patch1/" * 100_000 + "a.png"}]}}, []),
    ("a folder of nothing", "error", "images", {}, []),
    ("a folder of two formats", "error", "d", {"d/a.xml": voc(OBJECT % 3), "d/b.txt": "0 0.5 0.5 0.5 0.5\n"}, []),
    ("a format that is forced and wrong", "error", "a.csv", {"a.csv": HEADER}, ["--format", "voc"]),
    ("a format that can't be read", "usage", "a.csv", {"a.csv": HEADER}, ["--format", "jpg"]),
]


def cases(settings):
    def case(name, expect, path, files, arguments):
        def build(sandbox):
            for file, content in files.items():
                if content is None:  # a copy of the image that is there
                    content = (sandbox.work / "images" / "a.png").read_bytes()
                sandbox.write(file, content() if callable(content) else content)
            if path == "loop":
                os.symlink(sandbox.work / "loop", sandbox.work / "loop" / "loop")
            return ["validate", path, "--images", "images", *arguments]
        return Case("format, " + name, expect, build)

    for entry in CASES + masks.CASES + tools.CASES:
        yield case(*entry)
