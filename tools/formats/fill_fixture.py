#!/usr/bin/env python3
"""Writes Tests/Fixtures/fillpoly.json: random polygons and the pixels that OpenCV's fillPoly gives them.

Needs numpy and opencv-python-headless (5.0.0 made the file)."""
import json
import sys

import cv2
import numpy as np

random = np.random.default_rng(7)
cases = []
for number in range(120):
    height, width = 24, 31
    count = int(random.integers(1, 9))
    corners = np.stack([random.integers(0, width, count), random.integers(0, height, count)], 1)
    if number % 3 == 0:  # one pixel's width, and back the same way
        corners = np.concatenate([corners, corners[::-1]])
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [corners.astype(np.int32)], 1)
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat, [1 - flat[-1]]])))
    counts = np.diff(np.concatenate([[0], edges])).tolist()
    cases.append({"polygon": corners.ravel().tolist(), "height": height, "width": width, "counts": counts})
json.dump({"cases": cases}, open(sys.argv[1], "w"))
