"""Label images, KITTI MOTS and PNG files of masks: broken, hostile and enormous ones, for formats.py."""

import json

import png

LEGEND = "value,id,name,red,green,blue\n1,1,cat,128,0,0\n2,2,dog,0,128,0\n"
ONE = png.labels([[0] * 32 + [1] * 32] * 48)  # as large as the image that is there
FRAMES = "sequence,frame,image,width,height\n"
LINE = "0 1001 1 2 3 6\n"
TABLE = FRAMES + "0000,1,a.png,64,48\n"


def semantic(image=ONE, legend=LEGEND, **more):
    return {"d/a.png": image, "d/categories.csv": legend, **{f"d/{k}.csv": v for k, v in more.items()}}


def voc(objects=ONE, classes=ONE, legend=LEGEND):
    return {"d/SegmentationObject/a.png": objects, "d/SegmentationClass/a.png": classes, "d/categories.csv": legend}


def mots(rows, frames=None, name="0000/000001"):
    files = {f"d/instances/{name}.png": png.labels(rows, 16)}
    return files if frames is None else {**files, "d/images.csv": frames}


def lines(text, **more):
    return {"d/instances_txt/0000.txt": text, **{f"d/{k}.csv": v for k, v in more.items()}}


def instances(file, mask=ONE, size=64):
    return {"d/masks/1.png": mask, "d/annotations.json": json.dumps({
        "images": [{"id": 1, "file_name": "a.png", "width": size, "height": 48}],
        "annotations": [{"id": 7, "image_id": 1, "category_id": 1, "bbox": [0, 0, 2, 2], **file}],
        "categories": [{"id": 1, "name": "cat"}]})}


FILE = {"mask_file": "masks/1.png"}

# As in formats.py.
CASES = [
    ("semantic: control", "done", "d", semantic(), []),
    ("semantic: no legend", "error", "d", {"d/a.png": ONE}, []),
    ("semantic: a number that the legend does not have", "error", "d", semantic(png.labels([[0, 77]])), []),
    ("semantic: a photograph", "error", "d", semantic(png.png(8, 8)), []),
    ("semantic: cut off", "error", "d", semantic(ONE[:-20]), []),
    ("semantic: interlaced", "error", "d", semantic(png.labels([[0, 1]], interlace=1)), []),
    ("semantic: 65,000 numbers", "error", "d", semantic(lambda: png.labels([[i + 10 for i in range(65_000)]], 16)), []),
    ("semantic: 196 million pixels of zeros", "done", "d", semantic(lambda: png.zeros(14_000, 14_000)), []),
    ("semantic: 400 million pixels of zeros", "error", "d", semantic(lambda: png.zeros(20_000, 20_000)), []),
    ("semantic: 2^31 pixels a side", "error", "d", semantic(png.SIGNATURE + png.header(2**31 - 1, 2**31 - 1, 8, 0)), []),
    ("semantic: an empty legend", "error", "d", semantic(legend=""), []),
    ("semantic: a legend without names", "error", "d", semantic(legend="value,colour\n1,red\n"), []),
    ("semantic: a legend number of 10^18", "error", "d", semantic(legend=LEGEND + "1000000000000000000,3,eel,0,0,0\n"), []),
    ("semantic: a legend number twice", "error", "d", semantic(legend=LEGEND + "2,3,eel,0,0,0\n"), []),
    ("semantic: a legend id twice", "error", "d", semantic(legend=LEGEND + "3,2,eel,0,0,0\n"), []),
    ("semantic: a legend name twice", "error", "d", semantic(legend=LEGEND + "3,3,dog,0,0,0\n"), []),
    ("semantic: a legend in invalid UTF-8", "error", "d", semantic(legend=LEGEND.encode() + b"3,3,\xff\xfe,0,0,0\n"), []),
    ("semantic: terminal control sequences", "error", "d", semantic(legend=LEGEND + "\x1b[2J,3,\x1b[2J,0,0,0\n"), []),
    ("semantic: a legend of a million lines", "error", "d", semantic(legend=lambda: LEGEND + "1,1,cat,0,0,0\n" * 1_000_000), []),
    ("semantic: an image that climbs out", "error", "d", semantic(images="label,image\na,../../../etc/passwd\n"), []),
    ("semantic: an image without labels", "error", "d", semantic(images="label,image\na,a.png\ny,y.jpg\n"), []),
    ("VOC masks: control", "done", "d", voc(), []),
    ("VOC masks: no class image", "error", "d", {"d/SegmentationObject/a.png": ONE, "d/SegmentationClass/y.png": ONE}, []),
    ("VOC masks: no classes", "error", "d", {"d/SegmentationObject/a.png": ONE}, []),
    ("VOC masks: sizes differ", "error", "d", voc(classes=png.labels([[1, 1, 1]])), []),
    ("VOC masks: an object on the background", "error", "d", voc(classes=png.labels([[1] * 32 + [0] * 32] * 48)), []),
    ("VOC masks: an object on void", "error", "d", voc(classes=png.labels([[255] * 64] * 48)), []),
    ("VOC masks: an object of two classes", "any", "d", voc(classes=png.labels([[0] * 60 + [2] * 4] + [[1] * 64] * 47)), []),
    ("VOC masks: an unknown class", "error", "d", voc(classes=png.labels([[9] * 64] * 48)), []),
    ("VOC masks: text in place of an image", "error", "d", voc(objects="not an image"), []),
    ("MOTS: control", "done", "d", mots([[0, 1001, 10_000, 2002] * 16] * 48, TABLE), []),
    ("MOTS: an id below 1000", "error", "d", mots([[0, 7]]), []),
    ("MOTS: a class that the legend does not have", "error", "d", {**mots([[0, 9001]]), "d/categories.csv": LEGEND}, []),
    ("MOTS: a file without a number", "error", "d", mots([[1001]], name="0000/first"), []),
    ("MOTS: a frame number of 30 digits", "error", "d", mots([[1001]], name="0000/" + "9" * 30), []),
    ("MOTS: a frame of the table without labels", "error", "d", mots([[1001]], FRAMES + "0000,9,a.jpg,1,1\n"), []),
    ("MOTS: a frame twice in the table", "error", "d", mots([[1001]], FRAMES + "0000,1,a.jpg,1,1\n" * 2), []),
    ("MOTS: two frames of one image", "error", "d",
     {**mots([[1001]], FRAMES + "0000,1,a.jpg,1,1\n0000,2,a.jpg,1,1\n"), "d/instances/0000/000002.png": png.labels([[1001]], 16)}, []),
    ("MOTS text: control", "done", "d", lines("1 1001 1 48 64 0PP3\n", images=TABLE), []),
    ("MOTS text: five fields", "error", "d", lines("0 1001 1 2 3\n"), []),
    ("MOTS text: seven fields", "error", "d", lines("0 1001 1 2 3 6 7\n"), []),
    ("MOTS text: a negative frame", "error", "d", lines("-1 1001 1 2 3 6\n"), []),
    ("MOTS text: an image of 10^9 pixels a side", "error", "d", lines("0 1001 1 999999999 999999999 6\n"), []),
    ("MOTS text: runs that do not fill the image", "error", "d", lines("0 1001 1 2 3 5\n"), []),
    ("MOTS text: a run of 2^40", "error", "d", lines("0 1001 1 2 3 oooooooo0\n"), []),
    ("MOTS text: runs that end inside a number", "error", "d", lines("0 1001 1 2 3 o\n"), []),
    ("MOTS text: runs with a byte that none has", "error", "d", lines("0 1001 1 2 3 \x1b[2J\n"), []),
    ("MOTS text: an id twice in a frame", "error", "d", lines(LINE * 2), []),
    ("MOTS text: two sizes of one image", "error", "d", lines(LINE + "0 1002 1 3 2 6\n"), []),
    ("MOTS text: class 0", "error", "d", lines("0 0 0 2 3 6\n"), []),
    ("MOTS text: 200,000 wrong lines", "error", "d", lines("0 1 2\n" * 200_000), []),
    ("MOTS text: 128 MB without a line end", "error", "d", lines(lambda: b"0" * (128 << 20)), []),
    ("MOTS text: an image that climbs out", "error", "d", lines(LINE, images=FRAMES + "0000,0,../../etc/passwd,3,2\n"), []),
    ("MOTS text: an image of no size", "error", "d", lines(LINE, images=FRAMES + "0000,0,a.jpg,0,-2\n"), []),
    ("PNG a mask: control", "done", "d", instances(FILE), []),
    ("PNG a mask: a file that climbs out", "error", "d", instances({"mask_file": "../../../etc/passwd"}), []),
    ("PNG a mask: an absolute file", "error", "d", instances({"mask_file": "/etc/passwd"}), []),
    ("PNG a mask: a file that is not there", "error", "d", instances({"mask_file": "masks/2.png"}), []),
    ("PNG a mask: a file of another size", "error", "d", instances(FILE, size=63), []),
    ("PNG a mask: a number as the file", "error", "d", instances({"mask_file": 7}), []),
    ("PNG a mask: a photograph", "error", "d", instances(FILE, png.png(2, 2)), []),
    ("PNG a mask: an empty file", "error", "d", instances(FILE, b""), []),
    ("PNG a mask: 400 million pixels", "error", "d", instances(FILE, lambda: png.zeros(20_000, 20_000)), []),
]
