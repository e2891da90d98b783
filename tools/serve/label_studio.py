#!/usr/bin/env python3
"""Runs a real Label Studio beside `mal serve`, both on loopback: makes a project by its API, connects mal as ML backend,
fetches predictions for tasks with boxes and for a box drawn by hand, and compares all masks pixel by pixel with those of
/v1/masks.

label_studio.py MAL IMAGES BOXES.json, with Label Studio and its SDK installed in the Python that runs it:
    pip install label-studio requests numpy pycocotools
"""
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

import numpy as np
import requests
from label_studio_sdk.converter.brush import decode_rle
from pycocotools import mask as coco_mask

CONFIG = """<View>
  <Image name="picture" value="$photo"/>
  <RectangleLabels name="boxes" toName="picture"><Label value="object"/></RectangleLabels>
  <BrushLabels name="masks" toName="picture"><Label value="object"/></BrushLabels>
</View>"""
TOKEN = "0123456789abcdef0123456789abcdef01234567"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait(url, seconds, process):
    for _ in range(seconds * 2):
        try:
            if requests.get(url, timeout=5).status_code == 200:
                return
        except requests.RequestException:
            pass
        if process.poll() is not None:
            sys.exit(f"{url}: the server ended with {process.returncode}")
        time.sleep(0.5)
    sys.exit(f"{url}: no answer in {seconds} s")


def rectangle(box, width, height, number):
    x, y, w, h = box
    return {
        "id": f"r{number}", "from_name": "boxes", "to_name": "picture", "type": "rectanglelabels",
        "original_width": width, "original_height": height, "image_rotation": 0,
        "value": {"x": 100 * x / width, "y": 100 * y / height, "width": 100 * w / width, "height": 100 * h / height,
                  "rotation": 0, "rectanglelabels": ["object"]}}


def pixels(result):
    width, height = result["original_width"], result["original_height"]
    values = decode_rle(result["value"]["rle"]).reshape(height, width, 4)
    return values[:, :, 3] > 127


def main():
    mal, images, boxes = sys.argv[1:]
    with open(boxes) as file:
        coco = json.load(file)
    folder = tempfile.mkdtemp()
    studio, backend = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    root = os.path.dirname(os.path.abspath(images))
    environment = {
        **os.environ, "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": root, "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "ML_BLOCK_LOCAL_IP": "false", "USE_DEFAULT_BANNED_SUBNETS": "false", "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false", "DEBUG": "false"}
    servers = [
        subprocess.Popen(
            [mal, "serve", "--listen", backend[7:], "--images", root, "--checkpoint", "tiny"]),
        subprocess.Popen(
            [os.path.join(os.path.dirname(sys.executable), "label-studio"), "start", "--no-browser", "--data-dir",
             folder, "--port", studio.rsplit(":", 1)[1], "--username", "a@example.com", "--password", "not-a-secret-1",
             "--user-token", TOKEN], env=environment, stdout=open(folder + "/log", "w"), stderr=subprocess.STDOUT)]
    try:
        wait(backend + "/health", 60, servers[0])
        wait(studio + "/health", 600, servers[1])
        session = requests.Session()
        session.headers["Authorization"] = "Token " + TOKEN

        def call(method, path, **body):
            answer = session.request(method, studio + path, timeout=300, **body)
            if answer.status_code >= 300:
                sys.exit(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
            return answer.json() if answer.content else None

        version = call("GET", "/api/version")
        print("Label Studio", version.get("release") or version.get("label-studio-os-package", {}).get("version"))
        project = call("POST", "/api/projects", json={"title": "masks", "label_config": CONFIG})["id"]
        connected = call("POST", "/api/ml", json={
            "url": backend, "project": project, "title": "mal", "is_interactive": True})
        print("backend connected, state", connected["state"], "version", connected.get("model_version"))
        expected, tasks = {}, []
        for image in coco["images"]:
            own = [a["bbox"] for a in coco["annotations"] if a["image_id"] == image["id"]]
            if not own:
                continue
            path = os.path.basename(images.rstrip("/")) + "/" + image["file_name"]
            size = {"width": image["width"], "height": image["height"]}
            shapes = [rectangle(b, size["width"], size["height"], n)["value"] for n, b in enumerate(own)]
            # Label Studio keeps per cents: a box comes back with another last digit.
            sent = [[s["x"] / 100 * size["width"], s["y"] / 100 * size["height"], s["width"] / 100 * size["width"],
                     s["height"] / 100 * size["height"]] for s in shapes]
            masks = requests.post(backend + "/v1/masks", timeout=300, json={
                "image": {"path": path}, "boxes": sent, "polygons": False}).json()
            expected[path] = [m["segmentation"] for m in masks["masks"] if m["area"] > 0]
            tasks.append({
                "data": {"photo": "/data/local-files/?d=" + path},
                "annotations": [{"result": [
                    rectangle(b, size["width"], size["height"], n) for n, b in enumerate(own)]}]})
        call("POST", f"/api/projects/{project}/import", json=tasks)
        call("POST", f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}", json={
            "filters": {"conjunction": "and", "items": []}, "selectedItems": {"all": True, "excluded": []}})
        known = {}
        for _ in range(120):
            found = call("GET", f"/api/tasks?project={project}&fields=all&page_size=1000")["tasks"]
            known = {t["data"]["photo"].split("?d=")[1]: t for t in found}
            if all(t["predictions"] for t in known.values()):
                break
            time.sleep(1)
        same = wrong = 0
        for path, masks in expected.items():
            prediction = known[path]["predictions"][0]
            results = [r for r in prediction["result"] if r["type"] == "brushlabels"]
            assert len(results) == len(masks), (path, len(results), len(masks))
            for result, rle in zip(results, masks):
                isSame = np.array_equal(pixels(result), coco_mask.decode(rle).astype(bool))
                same, wrong = same + isSame, wrong + (not isSame)
            print(f"{path}: {len(results)} masks, score {prediction['score']:.3f}")
        print(f"whole tasks: {same} masks equal, {wrong} differ")

        path, task = next(iter(known.items()))
        size = known[path]["annotations"][0]["result"][0]
        width, height = size["original_width"], size["original_height"]
        drawn = [width * 0.25, height * 0.25, width * 0.5, height * 0.5]
        answer = call("POST", f"/api/ml/{connected['id']}/interactive-annotating", json={
            "task": task["id"], "context": {"result": [rectangle(drawn, width, height, 0)]}})
        result = answer["data"]["result"][0]
        rle = requests.post(backend + "/v1/masks", json={"image": {"path": path}, "boxes": [drawn]}).json()
        isSame = np.array_equal(
            pixels(result), coco_mask.decode(rle["masks"][0]["segmentation"]).astype(bool))
        print("drawn by hand: the mask is", "equal" if isSame else "another")
        sys.exit(wrong > 0 or not isSame)
    finally:
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait(30)


main()
