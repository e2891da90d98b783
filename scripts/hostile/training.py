"""Bad situations of `mal train`: specs, data, weights, run folders, disks. The network is tiny, so that what is right trains in a second."""

import copy
import json
import os

from png import png
from sandbox import Case

SPEC = """\
device: cpu
results_dir: out
dataset: {train_ann_path: boxes.json, train_img_dir: images, val_ann_path: null, crop_size: 32, min_obj_size: 10}
model: {arch: vit-tiny/16, embed_dim: 16, depth: 1, num_heads: 2, mask_head_hidden_channel: 8, mask_head_out_channel: 8}
train: {num_epochs: 2, batch_size: 2, crf_num_iter: 2}
"""
BOXES = {
    "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
    "annotations": [
        {"id": n, "image_id": 1, "category_id": 1, "bbox": [2 + n, 3, 20 + n, 24], "iscrowd": 0} for n in range(1, 5)],
    "categories": [{"id": 1, "name": "thing"}],
}


def train(sandbox, *arguments, spec=SPEC, boxes=None):
    sandbox.write("spec.yaml", spec)
    sandbox.write("boxes.json", boxes if boxes is not None else BOXES)
    return ["train", "-e", "spec.yaml", "--threads", "1", "--quiet", *arguments]


def changed(**values):
    file = copy.deepcopy(BOXES)
    for annotation in file["annotations"]:
        annotation.update(values)
    return file


def with_file(path, content, *arguments):
    def build(sandbox):
        sandbox.write(path, content)
        return train(sandbox, *arguments)
    return build


def with_folder(path):
    def build(sandbox):
        (sandbox.work / path).mkdir(parents=True)
        return train(sandbox)
    return build


def full_disk(path):
    """Writing to /dev/full fails as on a full disk."""
    def build(sandbox):
        link = sandbox.work / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to("/dev/full")
        return train(sandbox)
    return build


def checkpoint(state, *arguments, **files):
    """A checkpoint folder of step 4 with these contents."""
    def build(sandbox):
        folder = "out/train/model_epoch_001_step_00004/"
        sandbox.write(folder + "state.json", state)
        for name, content in files.items():
            sandbox.write(folder + name.replace("_", "."), content)
        return train(sandbox, *arguments)
    return build


def broken_image(sandbox):
    sandbox.write("images/a.png", png(64, 48)[:60])
    return train(sandbox)


def many_sizes(sandbox):
    sandbox.write("images/a.png", png(65, 48))
    return train(sandbox)


def no_images(sandbox):
    os.remove(sandbox.work / "images" / "a.png")
    return train(sandbox)


def masks_missing(sandbox):
    return train(sandbox, "dataset.val_ann_path=boxes.json", "dataset.val_img_dir=images")


STATE = json.dumps({
    "version": "0.1.0", "format": 1, "step": 4, "epoch": 2, "stepInEpoch": 0, "sampleCount": 4, "seed": 1, "annotations": "",
    "validatedStep": 0, "lossSum": 0, "lossCount": 0, "broken": [], "lossScale": 65536, "goodStepCount": 0})


def plain(*arguments, spec=SPEC, boxes=None):
    return lambda sandbox: train(sandbox, *arguments, spec=spec, boxes=boxes)


CASES = [
    ("right", "done", plain()),
    ("dry run", "done", plain("--dry-run")),
    ("no spec", "usage", lambda sandbox: ["train"]),
    ("spec not there", "error", lambda sandbox: ["train", "-e", "nothing.yaml"]),
    ("unknown key", "error", plain("train.learning_rate=1")),
    ("no annotation path", "error", plain("dataset.train_ann_path=null")),
    ("annotation file not there", "error", plain("dataset.train_ann_path=nothing.json")),
    ("image folder not there", "error", plain("dataset.train_img_dir=nothing")),
    ("image folder is a file", "error", plain("dataset.train_img_dir=boxes.json")),
    ("images are gone", "error", no_images),
    ("images are cut short", "error", broken_image),
    ("images of another size", "error", many_sizes),
    ("no annotations", "error", plain(boxes={**BOXES, "annotations": []})),
    ("all boxes too small", "error", plain("dataset.min_obj_size=1e6")),
    ("all boxes outside", "error", plain(boxes=changed(bbox=[60, 40, 30, 30]))),
    ("all boxes flat", "error", plain(boxes=changed(bbox=[1, 1, 50, 1]))),
    ("all boxes on a bucket border", "done", plain(boxes=changed(bbox=[1, 1, 32, 32]))),
    ("fewer boxes than a batch", "done", plain("train.batch_size=64")),
    ("crop not a multiple of the patch", "error", plain("dataset.crop_size=40")),
    ("crop too small", "error", plain("dataset.crop_size=16")),
    ("heads do not divide the width", "error", plain("model.num_heads=3")),
    ("FAN that does not exist", "error", plain("model.arch=fan_giant_12_p16_224")),
    ("two processes", "done", plain("train.num_gpus=2")),
    ("GPU that is not there", "error", plain("device=cuda:7")),
    ("another optimizer", "error", plain("train.optim_type=sgd")),
    ("even CRF window", "error", plain("train.crf_kernel_size=4")),
    ("margins that fall", "error", plain("train.margin_rate=[1,0]")),
    ("CRF bounds crossed", "error", plain("train.crf_value_low_thres=0.95")),
    ("learning rate below 0", "error", plain("train.lr=-1")),
    ("weights not there", "error", plain("train.pretrained_model_path=nothing.pth")),
    ("weights are text", "error", with_file("w.pth", "hello\n", "train.pretrained_model_path=w.pth")),
    ("weights are empty", "error", with_file("w.pth", "", "train.pretrained_model_path=w.pth")),
    ("validation file not there", "error", plain("dataset.val_ann_path=nothing.json", "dataset.val_img_dir=images")),
    ("validation without masks", "error", masks_missing),
    ("results folder is a file", "error", with_file("out/train", "a file\n")),
    ("results folder in /proc", "error", plain("results_dir=/proc/nothing")),
    ("disk full for status.json", "error", full_disk("out/train/status.json")),
    ("disk full for metrics.jsonl", "error", full_disk("out/train/metrics.jsonl")),
    ("metrics.jsonl is a folder", "error", with_folder("out/train/metrics.jsonl")),
    ("model_latest is a folder", "error", with_folder("out/train/model_latest")),
    ("--resume with nothing there", "error", plain("--resume")),
    ("checkpoint to resume not there", "error", plain("train.resume_training_checkpoint_path=nothing")),
    ("checkpoint to resume is TAO's", "error", with_file("m.pth", "x", "train.resume_training_checkpoint_path=m.pth")),
    ("state.json damaged", "error", checkpoint("{\"step\": 4")),
    ("state.json of the future", "error", checkpoint(STATE.replace('"format": 1', '"format": 9'))),
    ("state.json with step -1", "error", checkpoint(STATE.replace('"step": 4', '"step": -1'))),
    ("checkpoint without its spec", "error", checkpoint(STATE)),
    ("checkpoint without its weights", "error", checkpoint(STATE, spec_yaml=SPEC)),
    ("checkpoint with damaged weights", "error", checkpoint(STATE, spec_yaml=SPEC, student_safetensors="xxxxxxxxyyyy")),
    ("learning rate of 1000", "error", plain(
        "train.lr=1000", "train.wd=100", "train.warmup_epochs=0", "train.num_epochs=50", "train.loss_mil_step=1", "train.loss_crf_step=1")),
]


def cases(settings):
    return [Case("train: " + name, expect, build) for name, expect, build in CASES]
