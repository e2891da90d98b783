"""Cases of the formats of annotation tools, as formats.py has them."""

import json

CVAT = '<annotations><image id="0" name="a.png" width="64" height="48">%s</image></annotations>'
MASK = '<mask label="cat" rle="%s" left="%s" top="2" width="%s" height="3"/>'
RESULT = {"type": "rectanglelabels", "id": "r", "original_width": 64, "original_height": 48,
          "value": {"x": 1, "y": 2, "width": 30, "height": 38, "rectanglelabels": ["cat"]}}
BITMAP = {"classTitle": "cat", "geometryType": "bitmap", "bitmap": {"origin": [1, 2], "data": "eJwDAAAAAAE="}}
PANOPTIC = {"images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
            "annotations": [{"image_id": 1, "file_name": "a.png", "segments_info": [{"id": 1, "category_id": 1}]}],
            "categories": [{"id": 1, "name": "cat"}]}
OPEN = "ImageID,LabelName,XMin,XMax,YMin,YMax\na,/m/1,%s,0.75,0.1,0.7\n"


def studio(**values):
    return [{"data": {"image": "a.png"}, "annotations": [{"result": [{**RESULT, "value": {**RESULT["value"], **values}}]}]}]


def brush(numbers):
    return studio(rle=numbers, format="rle", brushlabels=["cat"])


def datumaro(**values):
    return {"dm_format_version": "1.0", "categories": {"label": {"labels": [{"name": "cat"}]}}, "items": [
        {"id": "a", "image": {"path": "a.png", "size": [48, 64]},
         "annotations": [{"type": "bbox", "label_id": 0, "bbox": [1, 2, 30, 38], **values}]}]}


def supervisely(*objects, **values):
    return {"size": {"height": 48, "width": 64}, "objects": list(objects), **values}


def via(**values):
    return {"a": {"filename": "a.png", "regions": [{"region_attributes": {"type": "cat"}, "shape_attributes": {
        "name": "rect", "x": 1, "y": 2, "width": 30, "height": 38, **values}}]}}


CASES = [
    ("CVAT: control", "done", "a.xml", {"a.xml": CVAT % (MASK % ("0, 9", 1, 3))}, []),
    ("CVAT: runs beyond the box", "error", "a.xml", {"a.xml": CVAT % (MASK % ("1, 9", 1, 3))}, []),
    ("CVAT: a run of 2^62", "error", "a.xml", {"a.xml": CVAT % (MASK % (2**62, 1, 3))}, []),
    ("CVAT: a box of 2^31 pixels", "error", "a.xml", {"a.xml": CVAT % (MASK % ("0, 9", 1, 2**31))}, []),
    ("CVAT: a mask at 2^62", "error", "a.xml", {"a.xml": CVAT % (MASK % ("0, 9", 2**62, 3))}, []),
    ("CVAT: an image of 2^31 sides", "error", "a.xml",
     {"a.xml": (CVAT % (MASK % ("0, 9", 1, 3))).replace('"64"', '"2147483647"').replace('"48"', '"2147483647"')}, []),
    ("CVAT: a polygon of 9 MB", "done", "a.xml",
     {"a.xml": lambda: CVAT % ('<polygon label="cat" points="%s"/>' % ";".join(f"{i % 60},{i % 40}" for i in range(1_600_000)))}, []),
    ("CVAT: a tag of 20 MB", "error", "a.xml", {"a.xml": lambda: CVAT % ('<polygon label="%s"/>' % ("x" * 20_000_000))}, []),
    ("CVAT: 100,000 attributes", "error", "a.xml", {"a.xml": CVAT % ("<box " + " ".join(f'b{i}="1"' for i in range(100_000)) + "/>")}, []),
    ("CVAT: billion laughs behind a comment", "error", "a.xml", {"a.xml": '<!-- <a " --><!DOCTYPE a [<!ENTITY b "c">]>' + CVAT % ""}, []),
    ("CVAT: an image that climbs out", "error", "a.xml", {"a.xml": (CVAT % "").replace("a.png", "../../etc/passwd")}, []),
    ("CVAT: for video", "error", "a.xml", {"a.xml": '<annotations><track id="0" label="cat"/></annotations>'}, []),
    ("Label Studio: control", "done", "a.json", {"a.json": studio()}, []),
    ("Label Studio: 1e308 per cent", "error", "a.json", {"a.json": studio(x=1e308)}, []),
    ("Label Studio: a brush that is cut off", "error", "a.json", {"a.json": brush([0, 0, 48, 0, 57, 27])}, []),
    ("Label Studio: a brush of other numbers", "error", "a.json", {"a.json": brush([0, 0, 256])}, []),
    ("Label Studio: a brush on 2^31 pixels", "error", "a.json",
     {"a.json": json.dumps(brush([255] * 40)).replace("64", "2147483647")}, []),
    ("Label Studio: no image", "error", "a.json", {"a.json": [{"data": {}, "annotations": []}]}, []),
    ("Label Studio: an image that climbs out", "error", "a.json",
     {"a.json": json.dumps(studio()).replace("a.png", "/data/local-files/?d=../../etc/passwd")}, []),
    ("Label Studio: 10,000 lists deep", "error", "a.json", {"a.json": json.dumps(studio()).replace('["cat"]', "[" * 10_000)}, []),
    ("COCO panoptic: a photograph for a PNG", "any", "a.json", {"a.json": PANOPTIC, "panoptic/a.png": None}, []),
    ("COCO panoptic: no PNG", "error", "a.json", {"a.json": PANOPTIC}, []),
    ("COCO panoptic: a PNG that climbs out", "error", "a.json",
     {"a.json": {**PANOPTIC, "annotations": [{"image_id": 1, "file_name": "../images/a.png", "segments_info": []}]}}, []),
    ("colours: a legend of other lines", "error", "d",
     {"d/SegmentationObject/a.png": None, "d/SegmentationClass/a.png": None, "d/labelmap.txt": "cat:1,2\n"}, []),
    ("colours: colours of no class", "error", "d",
     {"d/SegmentationObject/a.png": None, "d/SegmentationClass/a.png": None, "d/labelmap.txt": "cat:1,2,3::\n"}, []),
    ("Datumaro: control", "done", "a.json", {"a.json": datumaro()}, []),
    ("Datumaro: label 2^62", "error", "a.json", {"a.json": datumaro(label_id=2**62)}, []),
    ("Datumaro: run lengths of another size", "error", "a.json", {"a.json": datumaro(type="mask", rle={"size": [2, 2], "counts": "04"})}, []),
    ("Datumaro: three coordinates", "error", "a.json", {"a.json": datumaro(type="polygon", points=[1, 2, 3])}, []),
    ("Datumaro: a box 1e999", "error", "a.json", {"a.json": json.dumps(datumaro()).replace("38", "1e999")}, []),
    ("Supervisely: control", "done", "a.png.json",
     {"a.png.json": supervisely({"classTitle": "cat", "geometryType": "rectangle", "points": {"exterior": [[1, 2], [30, 40]]}})}, []),
    ("Supervisely: a bitmap of nothing", "error", "a.json", {"a.json": supervisely(BITMAP)}, []),
    ("Supervisely: a bitmap that unpacks to 1 GB", "error", "a.json", {"a.json": lambda: supervisely(bomb())}, []),
    ("Supervisely: an image of 2^31 sides", "error", "a.json", {"a.json": supervisely(BITMAP, size={"height": 2**31, "width": 2**31})}, []),
    ("VIA: control", "done", "a.json", {"a.json": via()}, []),
    ("VIA: a width of text", "error", "a.json", {"a.json": via(width="x")}, []),
    ("VIA: a circle of 1e308", "error", "a.json", {"a.json": via(name="circle", cx=1e308, cy=1, r=1e308)}, []),
    ("VIA: a table of broken JSON", "error", "a.csv",
     {"a.csv": 'filename,region_shape_attributes,region_attributes\na.png,"{""name"":","{}"\n'}, []),
    ("CreateML: control", "done", "a.json",
     {"a.json": [{"image": "a.png", "annotations": [{"label": "cat", "coordinates": {"x": 9, "y": 9, "width": 4, "height": 4}}]}]}, []),
    ("CreateML: no coordinates", "error", "a.json", {"a.json": [{"image": "a.png", "annotations": [{"label": "cat"}]}]}, []),
    ("Open Images: control", "done", "a.csv", {"a.csv": OPEN % "0.25"}, []),
    ("Open Images: NaN", "error", "a.csv", {"a.csv": OPEN % "nan"}, []),
    ("Open Images: an image that climbs out", "error", "a.csv", {"a.csv": (OPEN % "0.25").replace("\na", "\n../../etc/passwd")}, []),
    ("Open Images: a mask that climbs out", "error", "a.csv", {"a.csv": "MaskPath,ImageID,LabelName\n../../etc/passwd,a,cat\n"}, []),
    ("JSON of no format", "error", "a.json", {"a.json": {"a": 1}}, []),
    ("XML of no format", "error", "a.xml", {"a.xml": "<a/>"}, []),
]


def bomb():
    import base64
    import zlib
    data = base64.b64encode(zlib.compress(bytes(1 << 30), 9)).decode()
    return {**BITMAP, "bitmap": {"origin": [0, 0], "data": data}}
