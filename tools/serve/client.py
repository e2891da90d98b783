#!/usr/bin/env python3
"""Asks `mal serve` for the masks of a photograph: client.py URL PHOTO X Y WIDTH HEIGHT. Standard library only."""
import base64
import json
import os
import sys
import urllib.request

url, photo, *box = sys.argv[1:]
with open(photo, "rb") as file:
    image = base64.b64encode(file.read()).decode()
body = {"image": {"base64": image}, "boxes": [[float(number) for number in box]]}
headers = {"Content-Type": "application/json"}
if "MAL_TOKEN" in os.environ:
    headers["Authorization"] = "Bearer " + os.environ["MAL_TOKEN"]
request = urllib.request.Request(url + "/v1/masks", json.dumps(body).encode(), headers)
with urllib.request.urlopen(request) as answer:
    for mask in json.load(answer)["masks"]:
        print(mask.get("reason") or f"{mask['area']} pixels, score {mask['score']:.3f}")
