#!/usr/bin/env python3
"""Kills mal before single system calls, and lets single calls fail, in every command that writes; then looks whether anything is lost.

    scripts/kill_at_calls.py FOLDER [--count 300] [--seed 1] [--only label,convert,...]
    MAL=.build/release/mal

Needs strace. Each command runs once to list the calls that touch its folder; then each round injects one SIGKILL, or one error (EIO, ENOSPC),
at a call drawn from that list, in a copy of the folder as it was. After each round: inputs and others' files are as they were; the output is the
old one, the new one, or was never there; links lead to whole checkpoints. Then the same command runs again undisturbed and must give the same output as
a run that was never disturbed, and leave nothing beside it. FOLDER is made here and must be new.
"""
import argparse, collections, hashlib, json, os, random, re, shutil, subprocess, sys, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MAL = os.path.abspath(os.environ.get("MAL", ROOT + "/.build/release/mal"))
FIXTURES = ROOT + "/Tests/Fixtures"
CALLS = (
    "open,openat,creat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,write,pwrite64,writev,"
    "ftruncate,fsync,fdatasync,syncfs,flock,chmod,fchmod,chown,close"
)
FAILING = "openat,rename,renameat2,unlink,mkdir,link,symlink,write,pwrite64,ftruncate,fsync,fdatasync,syncfs".split(",")
NETWORK = "--crop-size 64 --device cpu --threads 1 model.num_heads=3"


def run(command, folder, strace=()):
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    return subprocess.run(
        [*strace, MAL, *command], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=300)


def tree(folder, skip=()):
    """Name to content of all files below, links as what they say."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in files + [f for f in folders if os.path.islink(os.path.join(parent, f))]:
            path = os.path.join(parent, name)
            relative = os.path.relpath(path, folder)
            if any(re.search(pattern, relative) for pattern in skip):
                continue
            if os.path.islink(path):
                found[relative] = "-> " + os.readlink(path)
            else:
                found[relative] = hashlib.sha256(open(path, "rb").read()).hexdigest()
    return found


class Scene:
    """A command, the folder that it starts from, and what in it is the output."""

    def __init__(self, name, command, output, skip=(), codes=(0,)):
        self.name, self.command, self.output, self.skip = name, command.split(), output, skip

    def prepare(self, folder):
        copy(FIXTURES + "/coco/images", folder + "/photos")
        shutil.copy(FIXTURES + "/coco/instances.json", folder + "/boxes.json")
        shutil.copy(FIXTURES + "/micro_vit_trained.pth", folder + "/model.pth")

    def own(self, state):
        return {k: v for k, v in state.items() if self.isOutput(k)}

    def isOutput(self, name):
        return re.search(self.output, name) is not None

    def check(self, folder, before, after, whole):
        """What is wrong after a disturbed run; None for nothing."""
        for name, content in before.items():
            if not self.isOutput(name) and after.get(name) != content:
                return f"{name} is lost or changed"
        own = self.own(after)
        if own not in (self.own(before), whole):
            return "half an output: " + ", ".join(sorted(k for k in own.keys() | whole.keys() if own.get(k) != whole.get(k))[:4])
        return None


class Files(Scene):
    """Each file is whole by itself; they need not come at one moment."""

    def check(self, folder, before, after, whole):
        own = self.own(after)
        for name, content in before.items():
            if not self.isOutput(name) and after.get(name) != content:
                return f"{name} is lost or changed"
        for name, content in own.items():
            if content not in (before.get(name), whole.get(name)):
                return f"{name} is neither the old nor the new one"
        return None


class Convert(Scene):
    def prepare(self, folder):
        super().prepare(folder)
        must(run("convert boxes.json dataset --to yolo-seg --tolerance 2 -q".split(), folder))
        copy(folder + "/photos", folder + "/dataset/images")
        open(folder + "/dataset/notes.txt", "w").write("mine")


class Report(Scene):
    def prepare(self, folder):
        super().prepare(folder)
        must(run("report boxes.json --images photos --out look -q".split(), folder))
        shutil.copy(folder + "/photos/a.png", folder + "/look/mine.png")
        text = open(folder + "/boxes.json").read().replace('"score"', '"other"')
        open(folder + "/boxes.json", "w").write(text.replace("person", "human"))


class Replace(Files):
    def prepare(self, folder):
        super().prepare(folder)
        open(folder + "/masks.json", "w").write("corrected by hand")


class Merge(Files):
    def prepare(self, folder):
        super().prepare(folder)
        for part in "12":
            must(run(f"label photos --boxes boxes.json --out masks.json --checkpoint model.pth {NETWORK} -q --shard {part}/2".split(), folder))


class Train(Scene):
    SPEC = """
device: cpu
results_dir: out
dataset: {train_ann_path: boxes.json, train_img_dir: photos, val_ann_path: boxes.json, val_img_dir: photos, crop_size: 32, min_obj_size: 10}
model: {arch: vit-tiny/16, embed_dim: 16, depth: 1, num_heads: 2, mask_head_hidden_channel: 8, mask_head_out_channel: 8}
train: {num_epochs: 1, batch_size: 4, crf_num_iter: 2, seed: 7, checkpoint_interval: 2, checkpoint_interval_unit: step, keep_checkpoints: 2}
"""

    def prepare(self, folder):
        super().prepare(folder)
        open(folder + "/spec.yaml", "w").write(self.SPEC)

    def check(self, folder, before, after, whole):
        for name, content in before.items():
            if after.get(name) != content:
                return f"{name} is lost or changed"
        results = folder + "/out/train"
        for name in sorted(os.listdir(results)) if os.path.isdir(results) else []:
            path = results + "/" + name
            if not name.startswith("model_"):
                continue
            if not os.path.isdir(path):
                return f"{name} leads to nothing"
            for file in ("student.safetensors", "teacher.safetensors", "optimizer.safetensors", "state.json"):
                try:
                    data = open(path + "/" + file, "rb").read()
                    header = data if file.endswith("json") else data[8 : 8 + int.from_bytes(data[:8], "little")]
                    json.loads(header)
                except (OSError, ValueError) as error:
                    return f"{name}/{file} is not whole: {error}"
        return None


def copy(source, target):
    shutil.copytree(source, target, symlinks=True)


def must(result):
    if result.returncode != 0:
        sys.exit(f"preparation failed: {result.stdout.decode(errors='replace')[-800:]}")


LABEL = f"label photos --boxes boxes.json --out masks.json --checkpoint model.pth {NETWORK} -q"
SCENES = [
    Convert("convert", "convert boxes.json dataset --to yolo-seg --overwrite -q", r"^dataset/(labels/|data.yaml|\.mal-export)"),
    Files("label", LABEL + " --overlays look", r"^(masks\.json|look/|\.mal-files)"),
    Replace("label --overwrite", LABEL + " --overwrite", r"^(masks\.json|\.mal-files)"),
    Merge("merge", "merge photos --boxes boxes.json --out masks.json -q", r"^masks\.json$|^masks\.json\.(un|cl)|^\.mal-files"),
    Report("report", "report boxes.json --images photos --out look -q", r"^look/(?!mine)"),
    Train("train", "train -e spec.yaml -q", r"^out/"),
]
# Made anew by every run, or a record of it.
LOOSE = r"(^|/)\.mal-files$|\.journal$|(^|/)\.[^/]*\.(lock|partial|old)(/|$)|^out/.*(status\.json|metrics\.jsonl|events\.|\.lock|state\.json|per_instance|results\.json)"


def points(scene, folder, trace):
    """The calls that touch the folder: (name, its number among the calls of that name in its thread)."""
    result = run(scene.command, folder, ["strace", "-f", "-y", "-qq", "-o", trace, "-e", "trace=" + CALLS])
    must(result)
    counts, found = collections.Counter(), []
    for line in open(trace, errors="replace"):
        match = re.match(r"(\d+) +(\w+)\(", line)
        if not match:
            continue
        counts[match.groups()] += 1
        names = re.findall(r'"([^"]*)"|<([^>]*)>', line)
        inside = any(b.startswith(folder) or (a and not a.startswith("/") and match[2] not in ("write", "pwrite64", "writev")) for a, b in names)
        if inside or folder in line:
            writes = match[2] != "openat" or "O_WRONLY" in line or "O_RDWR" in line
            found.append((match[2], counts[match.groups()], writes))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    top = os.path.abspath(options.folder)
    os.makedirs(top)
    random.seed(options.seed)
    scenes = [s for s in SCENES if not options.only or s.name in options.only.split(",")]
    faults, start = [], time.time()
    print(f"{'command':18} {'calls':>6} {'kills':>6} {'errors':>7} {'not reached':>12} {'old':>5} {'new':>5} {'between':>8} {'named':>6} {'faults':>7}")
    for scene in scenes:
        base, work = f"{top}/base", f"{top}/work"
        for path in (base, work):
            shutil.rmtree(path, ignore_errors=True)
        os.makedirs(base)
        scene.prepare(base)
        copy(base, work)
        calls = points(scene, work, f"{top}/trace")
        whole = tree(work, [LOOSE])
        before = tree(base, [LOOSE])
        tally, rounds = collections.Counter(), options.count // len(scenes)
        for number in range(rounds):
            name, place, _ = random.choice(calls)
            isKill = number % 3 != 2
            if not isKill:
                name, place, _ = random.choice([c for c in calls if c[0] in FAILING and c[2]])
            what = "signal=SIGKILL" if isKill else "error=" + random.choice(("EIO", "ENOSPC"))
            shutil.rmtree(work)
            copy(base, work)
            disturbed = run(
                scene.command, work,
                ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + name, "-e", f"inject={name}:{what}:when={place}"])
            after = tree(work, [LOOSE])
            reached = disturbed.returncode != 0
            tally["kills" if isKill else "errors"] += 1
            tally["not reached"] += not reached
            own = scene.own(after)
            tally["old" if own == scene.own(before) else "new" if own == scene.own(whole) else "between"] += 1
            # An image that can't be opened is no loss: it is named, and its boxes stay without a mask.
            isNamed = name == "openat" and not isKill and os.path.exists(work + "/masks.json.unlabelled.jsonl")
            if isNamed:
                tally["named"] += 1
                continue
            fault = scene.check(work, before, after, scene.own(whole))
            if not fault and disturbed.returncode == 0 and own != scene.own(whole) and scene.name != "train":
                fault = "ended with 0, but the output is not the whole one"
            if not fault:
                again = run(scene.command, work)
                if again.returncode != 0:
                    fault = "the same command fails afterwards: " + again.stdout.decode(errors="replace")[-300:]
                elif (end := tree(work, [LOOSE])) != whole:
                    fault = "the same command gives something else afterwards: " + str(
                        sorted(k for k in end.keys() | whole.keys() if end.get(k) != whole.get(k))[:5])
                else:
                    left = [n for n in os.listdir(work) if re.search(r"\.(lock|partial|old)$", n)]
                    fault = f"left behind: {left}" if left else None
            if fault:
                tally["faults"] += 1
                faults.append(f"{scene.name}, {what} at {name} {place}: {fault}")
                print("  " + faults[-1], flush=True)
        columns = ("kills", "errors", "not reached", "old", "new", "between", "named", "faults")
        widths = (6, 7, 12, 5, 5, 8, 6, 7)
        print(f"{scene.name:18} {len(calls):6d}" + "".join(f" {tally[c]:{w}d}" for c, w in zip(columns, widths)), flush=True)
    print(f"{len(faults)} faults; {time.time() - start:.0f} s, seed {options.seed}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
