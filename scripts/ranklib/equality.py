"""N processes give what one gives."""
import json
import os
import shutil
import signal
import time

from .hosts import Hosts
from .runs import Run, digest, largest_difference, metrics, require, run_whole, weights_digest

# Sums in another order.
ROUNDING = 2e-5
EPOCHS = 3


def check(work, options):
    training(work)
    labelling(work)
    evaluation(work)
    if options.hosts:
        two_hosts(work)
    torchrun = options.torchrun or shutil.which("torchrun")
    if torchrun:
        under_torchrun(work, torchrun)


def line(what, seconds, result):
    print(f"  {what:<46} {seconds:6.1f} s  {result}", flush=True)


def compare(work, name, tolerance=ROUNDING):
    """With the run of one process: weights, and every number of metrics.jsonl."""
    one, other = work.run_folder("train-1"), work.run_folder(name)
    worst = largest_difference(one, other)
    require(worst <= tolerance, f"{name}: weights differ by {worst:.2g}")
    a, b = metrics(one), metrics(other)
    require(len(a) == len(b), f"{name}: {len(b)} lines of metrics, {len(a)} with one process")
    for x, y in zip(a, b):
        for key in x:
            near = x[key] == y.get(key) or abs(x[key] - y[key]) <= max(1e-4, 50 * tolerance)
            require(near, f"{name}, step {x.get('step')}: {key} is {y.get(key)}, {x[key]} with one process")
    events = list(other.glob("events.out.tfevents.*"))
    status = (other / "status.json").read_text()
    require(len(events) == 1, f"{name}: {len(events)} files of TensorBoard events")
    require(status.count('"STARTED"') == 1 and status.count('"SUCCESS"') == 1, f"{name}: status.json tells {status}")
    return f"weights within {worst:.1e}, {len(a)} lines of metrics"


def training(work):
    print("training, 22 boxes in global batches of 12, against one process:")
    work.few_spec = work.spec("few", EPOCHS, 1)
    seconds, _ = run_whole(work.launched(1, work.train(work.few_spec, "train-1", 12)), work.log("train-1"))
    line("1 process", seconds, "")
    cases = [(count, ()) for count in (2, 3, 4)] + [
        (3, ("strategy=zero1",)), (2, ("train.gradient_overlap=true",)),
        (2, ("train.gradient_overlap=true", "train.activation_checkpoint=true", "strategy=zero1"))]
    for number, (count, more) in enumerate(cases):
        name = f"train-{count}-{number}"
        words = work.train(work.few_spec, name, 12 // count, *more)
        seconds, text = run_whole(work.launched(count, words), work.log(name))
        require("[rank" not in text, f"{name}: another rank than 0 wrote\n{text}")
        line(" ".join([f"{count} processes", *more]), seconds, compare(work, name))
    name = "train-bf16"
    words = work.train(work.few_spec, name, 6, "train.gradient_transport=bf16")
    seconds, _ = run_whole(work.launched(2, words), work.log(name))
    line("2 processes train.gradient_transport=bf16", seconds, compare(work, name, 2e-3))


def labelling(work):
    count = len(json.loads(work.many.read_text())["annotations"])
    print(f"labelling {count} boxes, against one process:")
    seconds, _ = run_whole(work.launched(1, work.label("label-1")), work.log("label-1"))
    line("1 process", seconds, work.masks("label-1"))
    for count in (2, 3, 4):
        name = f"label-{count}"
        seconds, _ = run_whole(work.launched(count, work.label(name)), work.log(name))
        require(work.masks(name) == work.masks("label-1"), f"{name}: other masks")
        line(f"{count} processes", seconds, "the same file")
    total = 0
    for shard in (3, 1, 2):
        words = work.label("label-shards", "--shard", f"{shard}/3")
        total += run_whole([work.mal, *words], work.log(f"label-shard-{shard}"))[0]
    merge = ["merge", work.many.parent / "images", "--boxes", work.many, "--out", work.root / "label-shards.json"]
    total += run_whole([work.mal, *merge], work.log("merge"))[0]
    require(work.masks("label-shards") == work.masks("label-1"), "label --shard and merge: other masks")
    line("3 shards, one after the other, and mal merge", total, "the same file")


def evaluation(work):
    print("evaluation, against one process:")
    first = None
    for count in (1, 2, 3, 4):
        name = f"evaluate-{count}"
        seconds, _ = run_whole(work.launched(count, work.evaluate(name)), work.log(name))
        found = [digest(work.root / name / "evaluate" / file) for file in ("results.json", "per_instance.jsonl")]
        first = first or found
        require(found == first, f"{name}: other numbers")
        line(f"{count} process{'es' * (count > 1)}", seconds, "the same numbers")
    seconds, text = run_whole(
        work.launched(2, ["evaluate", "--predictions", work.root / "label-1.json", "--truth", work.many]),
        work.log("predictions"))
    require(text.count("class mIoU") == 1, f"evaluate --predictions of two processes told its story more than once:\n{text}")
    line("2 processes, --predictions: told once", seconds, "")


def two_hosts(work):
    print("2 hosts (network namespaces), 2 processes each, against one process:")
    with Hosts(2) as hosts:
        def both(words, name):
            runs = [
                Run(hosts.command(host, [work.mal, "launch", "--nodes", 2, "--processes", 2, "--", *words]),
                    work.log(f"{name}-{host}"), hosts.environment(host, 2))
                for host in range(2)]
            for run in runs:
                require(run.wait(300) == 0, f"{name}:\n{run.text}")
            return time.monotonic() - runs[0].start

        seconds = both(work.train(work.few_spec, "train-hosts", 3), "train-hosts")
        line("training", seconds, compare(work, "train-hosts"))
        seconds = both(work.label("label-hosts"), "label-hosts")
        require(work.masks("label-hosts") == work.masks("label-1"), "labelling: other masks")
        line("labelling, shared folder", seconds, "the same file")


def under_torchrun(work, torchrun):
    print("torchrun, 2 processes, against one process:")
    launcher = [torchrun, "--standalone", "--nproc-per-node", "2", "--max-restarts", "1", "--no-python", work.mal]
    seconds, _ = run_whole([*launcher, *work.train(work.few_spec, "train-torchrun", 6)], work.log("train-torchrun"))
    line("training", seconds, compare(work, "train-torchrun"))
    run = Run([*launcher, *work.train(work.few_spec, "train-killed", 6)], work.log("train-killed"))
    require(run.wait_for(" saved: "), run.text)
    os.kill(run.rank_process(1), signal.SIGKILL)
    require(run.wait(300) == 0, run.text)
    require(run.text.count("resuming ") == 1, run.text)
    require(weights_digest(work.run_folder("train-killed")) == weights_digest(work.run_folder("train-torchrun")), "other weights")
    line("training, rank 1 killed, --max-restarts 1", time.monotonic() - run.start, "the same weights")
    seconds, _ = run_whole([*launcher, *work.label("label-torchrun")], work.log("label-torchrun"))
    require(work.masks("label-torchrun") == work.masks("label-1"), "labelling: other masks")
    line("labelling", seconds, "the same file")
