"""Writes Tests/Fixtures/regions: JPEG photographs large enough to decode a part of, one for each
chroma subsampling and kind of scan.

    python tools/make_region_fixtures.py

Needs numpy and pillow==11.1.0. Run by hand; the output is committed.
"""

import pathlib

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 150, 117
out = pathlib.Path("Tests/Fixtures/regions")
out.mkdir(parents=True, exist_ok=True)
y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
planes = [np.sin(x / (7 + c) + c) * np.cos(y / (5 + c)) * 90 + 128 for c in range(3)]
noise = np.random.default_rng(5).normal(0, 25, (HEIGHT, WIDTH, 3))
image = Image.fromarray((np.stack(planes, 2) + noise).clip(0, 255).astype(np.uint8))
for name, options in {
    "444": {"subsampling": 0},
    "422": {"subsampling": 1},
    "420": {"subsampling": 2},
    "restart": {"subsampling": 2, "restart_marker_blocks": 3},
    "progressive": {"subsampling": 2, "progressive": True},
}.items():
    image.save(out / f"{name}.jpg", quality=60, **options)
image.convert("L").save(out / "grey.jpg", quality=60)
