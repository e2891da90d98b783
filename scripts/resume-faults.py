#!/usr/bin/env python3
"""Damages what an interrupted run left, gives the same command again, and counts what comes of it.

    scripts/resume-faults.py [--mal .build/release/mal] [--seed 1] [--flips 200] [--journals 250] [--images 100]

flips: one bit of a training checkpoint. Right: refused by name, with the checkpoint before it offered.
journals: the journal of a labelling run, cut, overwritten, spliced. Right: the file of an undisturbed run, or a refusal.
images: photographs changed between the stop and the same command. Right: the file of a run that began afterwards;
boxes of a photograph that is gone keep the masks that were made while it was there.
Ends with 1 at the first thing that is not right; what it was lies in the folder that is named then."""
import argparse, collections, json, os, random, re, shutil, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SPEC = """device: cpu
results_dir: {out}
dataset: {{train_ann_path: {boxes}, train_img_dir: {images}, val_ann_path: null, crop_size: 32, min_obj_size: 10}}
model: {{arch: vit-tiny/16, embed_dim: 16, depth: 1, num_heads: 2, mask_head_hidden_channel: 8, mask_head_out_channel: 8}}
train: {{num_epochs: 2, batch_size: 4, crf_num_iter: 2, seed: 7, checkpoint_interval: 1, checkpoint_interval_unit: step}}
"""


class Faults:
    def __init__(self, arguments):
        self.mal = os.path.abspath(arguments.mal)
        self.folder = tempfile.mkdtemp(prefix="resume-faults-")
        self.images = os.path.join(self.folder, "images")
        shutil.copytree(os.path.join(ROOT, "Demo/images"), self.images)
        with open(os.path.join(ROOT, "Demo/boxes.json")) as file:
            document = json.load(file)
        # So that a photograph may change its size.
        for image in document["images"]:
            image.pop("width"), image.pop("height")
        self.boxes = self.path("boxes.json")
        with open(self.boxes, "w") as file:
            json.dump(document, file)
        self.document = document

    def path(self, name):
        return os.path.join(self.folder, name)

    def fail(self, what, run=None):
        print(f"resume-faults: {what}\n{run.stderr[-3000:] if run else ''}\nsee {self.folder}", file=sys.stderr)
        sys.exit(1)

    def run(self, *arguments):
        environment = dict(os.environ, OMP_NUM_THREADS="1")
        return subprocess.run([self.mal, *arguments], capture_output=True, text=True, errors="replace", env=environment, timeout=120)

    # Labelling

    def label(self, out, *more, images=None):
        return self.run(
            "label", images or self.images, "--boxes", self.boxes, "--out", self.path(out), "--checkpoint",
            os.path.join(ROOT, "Tests/Fixtures/micro_vit_trained.pth"), "--crop-size", "64", "--batch-size", "2",
            "--threads", "1", "--device", "cpu", *more, "model.num_heads=3")

    def journal(self, name, *more):
        """A complete journal, as a kill just before the output is written leaves it."""
        run = self.label(name, "--shard", "1/1", *more)
        if run.returncode:
            self.fail("a part can't be labelled", run)
        with open(self.path(name + ".shard-1-of-1.journal"), "rb") as file:
            return file.read()

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def clear(self, name):
        for entry in os.listdir(self.folder):
            if entry.startswith(name):
                os.unlink(self.path(entry))

    def went_on(self, run):
        found = re.search(r"continuing: (\d+) of (\d+) boxes", run.stderr)
        return "same" if found and found.group(1) == found.group(2) else "labelled anew in part or whole, same file"

    def journals(self, count):
        if self.label("whole.json").returncode:
            self.fail("the undisturbed run failed")
        whole, clean = self.read("whole.json"), self.journal("part")
        foreign = self.journal("foreign", "train.mask_thres=[0.9]")
        kinds = {
            "cut": lambda b, r: b[: r.randrange(len(b))],
            "one bit": lambda b, r: flipped(b, r),
            "overwritten": lambda b, r: replaced(b, r, lambda n: r.randbytes(n)),
            "zeros": lambda b, r: replaced(b, r, lambda n: bytes(n)),
            "bytes taken out": lambda b, r: replaced(b, r, lambda n: b""),
            "bytes put in": lambda b, r: inserted(b, r, r.randbytes(r.randrange(1, 300))),
            "a piece twice": lambda b, r: inserted(b, r, piece(b, r)),
            "a piece moved": lambda b, r: inserted(replaced(b, r, lambda n: b""), r, piece(b, r)),
            "a piece of another run": lambda b, r: inserted(b, r, piece(foreign, r)),
            "cut, and rubbish": lambda b, r: b[: r.randrange(len(b))] + r.randbytes(r.randrange(1, 300)),
            "several bits": lambda b, r: flipped(flipped(flipped(b, r), r), r),
        }
        for index in range(count):
            kind = list(kinds)[index % len(kinds)]
            self.clear("out.json")
            with open(self.path("out.json.journal"), "wb") as file:
                file.write(kinds[kind](clean, random))
            run = self.label("out.json")
            if run.returncode == 0:
                if self.read("out.json") != whole:
                    self.fail(f"journal {index} ({kind}): another file with exit 0", run)
                yield kind, self.went_on(run)
            elif run.returncode == 1 and "out.json.journal" in run.stderr and not os.path.exists(self.path("out.json")):
                yield kind, "refused by name"
            else:
                self.fail(f"journal {index} ({kind}): exit {run.returncode}", run)

    def image_changes(self, count):
        names = sorted(os.listdir(self.images))
        masters = self.path("masters")
        shutil.copytree(self.images, masters)

        def at(name):
            return os.path.join(self.images, name)

        def content(name):
            with open(os.path.join(masters, name), "rb") as file:
                return file.read()

        def write(name, data):
            with open(at(name), "wb") as file:
                file.write(data)

        def in_place(name):
            status = os.stat(at(name))
            write(name, flipped(content(name), random))
            os.utime(at(name), ns=(status.st_atime_ns, status.st_mtime_ns))

        def swap(name):
            other = random.choice([n for n in names if n != name])
            os.rename(at(name), at("swap")), os.rename(at(other), at(name)), os.rename(at("swap"), at(other))

        kinds = {
            "one bit": lambda n: write(n, flipped(content(n), random)),
            "one bit, same times": in_place,
            "another photograph": lambda n: write(n, content(random.choice([m for m in names if m != n]))),
            "two swapped": swap,
            "cut": lambda n: write(n, content(n)[: random.randrange(len(content(n)))]),
            "rubbish": lambda n: write(n, random.randbytes(500)),
            "gone": lambda n: os.unlink(at(n)),
            "touched": lambda n: os.utime(at(n)),
            "copied": lambda n: (os.unlink(at(n)), write(n, content(n))),
            "was missing": None,
        }
        original = {}
        for index in range(count):
            kind = list(kinds)[index % len(kinds)]
            changed = random.sample(names, random.choice([1, 1, 2]))
            self.clear("out.json"), self.clear("fresh.json"), self.clear("part")
            shutil.rmtree(self.images), shutil.copytree(masters, self.images)
            if kind == "was missing":
                for name in changed:
                    os.unlink(at(name))
            clean = self.journal("part")
            if not original:
                self.label("original.json")
                original = {a["id"]: a for a in json.loads(self.read("original.json"))["annotations"]}
            with open(self.path("out.json.journal"), "wb") as file:
                file.write(clean[: random.randrange(len(clean) // 4, len(clean) + 1)])
            if kind == "was missing":
                for name in changed:
                    write(name, content(name))
            else:
                for name in changed:
                    kinds[kind](name)
            run, fresh = self.label("out.json"), self.label("fresh.json")
            if run.returncode or fresh.returncode:
                self.fail(f"images {index} ({kind} {changed}): exit {run.returncode}, afresh {fresh.returncode}", run)
            told = [n for n in changed if re.search(re.escape(n) + ": (has changed|could|is gone)", run.stderr)]
            if self.read("out.json") == self.read("fresh.json"):
                yield kind, "the file of a fresh run" + (", change named" if told else "")
                continue
            if kind != "gone":
                self.fail(f"images {index} ({kind} {changed}): not the file of a fresh run", run)
            gone = {i["id"] for i in self.document["images"] if i["file_name"] in changed}
            after = json.loads(self.read("fresh.json"))["annotations"]
            for ours, theirs in zip(json.loads(self.read("out.json"))["annotations"], after):
                kept = ours["image_id"] in gone and ours.get("segmentation")
                if ours != (original[ours["id"]] if kept else theirs):
                    self.fail(f"images {index} ({kind} {changed}): annotation {ours['id']} is neither old nor new", run)
            if len(told) != len(changed):
                self.fail(f"images {index} ({kind} {changed}): not named", run)
            yield kind, "the file of a fresh run, but masks of what is gone stay, named"

    # Training

    def flips(self, count):
        spec = self.path("spec.yaml")
        with open(spec, "w") as file:
            file.write(SPEC.format(out=self.path("run"), boxes=self.boxes, images=self.images))
        train = ["train", "-e", spec, "--threads", "1", "-q"]
        if self.run(*train, "train.max_steps=3").returncode:
            self.fail("training failed")
        run_folder = self.path("run/train")
        newest, before = [sorted(n for n in os.listdir(run_folder) if n.startswith("model_epoch"))[i] for i in (-1, -2)]
        files = sorted(os.listdir(os.path.join(run_folder, newest)))
        for index in range(count):
            name = files[index % len(files)]
            path = os.path.join(run_folder, newest, name)
            with open(path, "rb") as file:
                whole = file.read()
            with open(path, "wb") as file:
                file.write(flipped(whole, random))
            run = self.run(*train, "train.max_steps=4")
            if run.returncode != 1 or newest not in run.stderr:
                self.fail(f"flip {index} of {name}: exit {run.returncode}", run)
            offered = before in run.stderr
            if not offered and "of format" not in run.stderr:
                self.fail(f"flip {index} of {name}: the checkpoint before it is not offered", run)
            with open(path, "wb") as file:
                file.write(whole)
            yield name, "refused by name, the one before offered" if offered else "refused by name: unknown format"
        if self.run(*train, "train.max_steps=4").returncode:
            self.fail("the mended run does not go on")


def flipped(data, draw):
    place = draw.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << draw.randrange(8)]) + data[place + 1 :]


def bounds(data, draw):
    start = draw.randrange(len(data))
    return start, min(len(data), start + draw.choice([1, 4, 30, 300, 3000]))


def replaced(data, draw, make):
    start, end = bounds(data, draw)
    return data[:start] + make(end - start) + data[end:]


def inserted(data, draw, more):
    place = draw.randrange(len(data) + 1)
    return data[:place] + more + data[place:]


def piece(data, draw):
    """Bytes from somewhere; every other time whole frames, which have right hashes."""
    frames, place = [], data.index(b"\n") + 1
    while place + 12 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "little")
        frames.append((place, end))
        place = end
    if draw.random() < 0.5:
        start, end = draw.choice(frames)
    else:
        start, end = bounds(data, draw)
    return data[start:end]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mal", default=os.path.join(ROOT, ".build/release/mal"))
    parser.add_argument("--seed", type=int, default=1)
    for name, count in (("flips", 200), ("journals", 250), ("images", 100)):
        parser.add_argument("--" + name, type=int, default=count)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    faults = Faults(arguments)
    parts = [("flips", faults.flips), ("journals", faults.journals), ("images", faults.image_changes)]
    for name, part in parts:
        start, counts = time.time(), collections.Counter(part(getattr(arguments, name)))
        print(f"{name}: {sum(counts.values())} in {time.time() - start:.0f} s")
        for (kind, outcome), count in sorted(counts.items()):
            print(f"{count:6}  {kind}: {outcome}")
    shutil.rmtree(faults.folder)


if __name__ == "__main__":
    main()
