"""The masks of boxes in a photograph: label.py MODEL.onnx PHOTOGRAPH '[[x, y, width, height], …]'"""
import json, sys
import numpy as np, onnxruntime
from PIL import Image

model, photograph, boxes = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
session = onnxruntime.InferenceSession(model)
told = session.get_modelmeta().custom_metadata_map
side, margin = int(told["crop_size"]), float(told["margin_rate"]) / 2
thresholds = [float(text) for text in told["mask_thres"].split(",")]
image = np.asarray(Image.open(photograph).convert("RGB"))

def window(low, high):
    """The box's range of columns or rows, with the margin on both sides."""
    centre, half = (low + high) / 2, (high - low) / 2
    return int(np.floor(centre - half * (1 + margin))), int(np.ceil(centre + half * (1 + margin) + 1))

crops, areas, windows = [], [], []
for x, y, width, height in boxes:
    columns, rows = window(x, x + width), window(y, y + height)
    # What lies outside of the photograph is taken from its other side.
    crop = image[np.arange(*rows) % image.shape[0]][:, np.arange(*columns) % image.shape[1]]
    crops.append(np.asarray(Image.fromarray(crop).resize((side, side), Image.BICUBIC)))
    areas.append(width * height)
    windows.append((columns, rows))
logits = session.run(["logits"], {"image": np.stack(crops).transpose(0, 3, 1, 2).astype(np.float32),
                                  "area": np.asarray(areas, np.float32)})[0]

for number, ((x, y, width, height), (columns, rows), logit) in enumerate(zip(boxes, windows, logits[:, 0])):
    threshold = thresholds[0 if width * height <= 1024 else 1 if width * height <= 9216 else 2]
    size = columns[1] - columns[0], rows[1] - rows[0]
    crop = np.asarray(Image.fromarray(logit).resize((side, side), Image.BILINEAR))
    crop = np.asarray(Image.fromarray(1 / (1 + np.exp(-crop))).resize(size, Image.BILINEAR))
    mask = np.zeros(image.shape[:2], bool)
    left, top = max(columns[0], 0), max(rows[0], 0)
    part = crop[top - rows[0]:, left - columns[0]:][:image.shape[0] - top, :image.shape[1] - left]
    mask[top:top + part.shape[0], left:left + part.shape[1]] = part > threshold
    mask[:int(y)], mask[int(np.ceil(y + height)):] = False, False  # nothing outside of the box
    mask[:, :int(x)], mask[:, int(np.ceil(x + width)):] = False, False
    Image.fromarray(mask.astype(np.uint8) * 255).save(f"mask{number}.png")
    print(f"mask{number}.png: {mask.sum()} pixels")
