"""The work that the checks give to `mal`: a tiny network to train, and the micro fixture to label with."""
import shutil
from pathlib import Path

from .runs import digest, make_scenes

SPEC = """\
device: cpu
rank_timeout: {timeout}
dataset:
  train_ann_path: {boxes}
  train_img_dir: {images}
  val_ann_path: {boxes}
  val_img_dir: {images}
  crop_size: 32
  min_obj_size: 100
model: {{arch: vit-tiny/8, embed_dim: 16, depth: 2, num_heads: 2, vit_dpr: 0,
  mask_head_hidden_channel: 8, mask_head_out_channel: 8}}
train: {{num_epochs: {epochs}, lr: 0.0002, loss_mil_step: 4, loss_crf_step: 6, crf_num_iter: 5,
  validation_interval: {interval}, checkpoint_interval: {interval}}}
evaluate: {{checkpoint: none}}
"""
EVALUATE = """\
device: cpu
rank_timeout: {timeout}
dataset: {{val_ann_path: {boxes}, val_img_dir: {images}, crop_size: 64}}
model: {{num_heads: 3}}
evaluate: {{checkpoint: {checkpoint}, batch_size: 2}}
"""


class Work:
    """Commands of `mal` on made data, in a folder that is new or emptied."""

    def __init__(self, options):
        self.mal = Path(options.mal).resolve()
        self.root = Path(options.work).resolve()
        if self.root.exists():
            shutil.rmtree(self.root)
        self.root.mkdir(parents=True)
        self.fixture = Path(__file__).parents[2] / "Tests/Fixtures/micro_vit_trained.pth"
        self.timeout = options.timeout
        # 22 boxes: batches of 12 leave a part at the end of every epoch.
        self.few = make_scenes(self.root / "few", 11, 2, options.seed)
        self.many = make_scenes(self.root / "many", options.images, 10, options.seed + 1)

    def spec(self, name, epochs, interval):
        path = self.root / f"{name}.yaml"
        path.write_text(SPEC.format(
            timeout=self.timeout, boxes=self.few, images=self.few.parent / "images", epochs=epochs, interval=interval))
        return path

    def train(self, spec, name, batch, *more):
        """The words after `mal` or `mal launch … --`."""
        return ["train", "-e", spec, "-r", self.root / name, "--threads", "1", f"train.batch_size={batch}", *more]

    def run_folder(self, name):
        return self.root / name / "train"

    def label(self, name, *more):
        return [
            "label", self.many.parent / "images", "--boxes", self.many, "--out", self.root / f"{name}.json",
            "--checkpoint", self.fixture, "--crop-size", "64", "--batch-size", "2", "--threads", "1", "--device", "cpu",
            *more, "model.num_heads=3", f"rank_timeout={self.timeout}"]

    def evaluate(self, name):
        path = self.root / "evaluate.yaml"
        path.write_text(EVALUATE.format(
            timeout=self.timeout, boxes=self.many, images=self.many.parent / "images", checkpoint=self.fixture))
        return ["evaluate", "-e", path, "-r", self.root / name, "--threads", "1"]

    def masks(self, name):
        return digest(self.root / f"{name}.json")

    def launched(self, processes, words, *options):
        return [self.mal, "launch", "--processes", processes, *options, "--", *words] if processes > 1 else [self.mal, *words]

    def log(self, name):
        return self.root / f"{name}.log"
