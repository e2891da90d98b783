"""All-reduce and step times of 1 to 4 processes, and what each rank keeps."""
import json
import os
import shutil
import statistics
import time
from pathlib import Path

from .hosts import SECRET, Hosts
from .runs import Run, require

VARIANTS = {
    "fp32": (),
    "fp32, overlap": ("train.gradient_overlap=true",),
    "bf16": ("train.gradient_transport=bf16",),
    "bf16, overlap": ("train.gradient_transport=bf16", "train.gradient_overlap=true"),
}
# Of student and teacher each, in millions.
PARAMETERS = {"vit-tiny/16": 6, "vit-small/16": 22, "vit-base/16": 86, "vit-large/16": 304, "vit-huge/14": 632}
STEPS = 8


def speed(work, options):
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    all_reduce(work, options, None)
    if options.hosts:
        with Hosts(2) as hosts:
            hosts.limit("1gbit")
            all_reduce(work, options, hosts)
    for arch in options.archs.split(","):
        steps(work, arch)
    if options.hosts:
        with Hosts(2) as hosts:
            hosts.limit("1gbit")
            for arch in options.archs.split(","):
                steps(work, arch, hosts)


# ---- all-reduce ------------------------------------------------------------------------------------


def all_reduce(work, options, hosts):
    print("\nall-reduce, " + ("2 hosts with 1 Gbit/s each" if hosts else "loopback") + ": ms, median and best (GB/s of the tensor at best)")
    rows = {}
    for count in (2,) if hosts else (2, 3, 4):
        runs = []
        for rank in range(count):
            words = [options.bench, "all-reduce"] + (["--repeats", "5"] if hosts else [])
            words = hosts.command(rank, words) if hosts else words
            environment = {
                "RANK": str(rank), "LOCAL_RANK": "0", "WORLD_SIZE": str(count), "OMP_NUM_THREADS": "1",
                "MASTER_ADDR": hosts.address(0) if hosts else "127.0.0.1", "MASTER_PORT": "29513",
                "MAL_RUN_SECRET": SECRET}
            runs.append(Run(words, work.log(f"all-reduce-{count}-{rank}"), environment))
        for run in runs:
            require(run.wait(300) == 0, run.text)
        for text in runs[0].text.splitlines():
            line = json.loads(text)
            rows.setdefault((line["dtype"], line["mib"]), []).append((line["seconds"], line["best"]))
    print("| | " + " | ".join(f"{count} processes" for count in ((2,) if hosts else (2, 3, 4))) + " |")
    for (dtype, mib), found in sorted(rows.items()):
        size = mib * 2**20 / (2 if dtype == "bfloat16" else 1)
        cells = " | ".join(f"{1e3 * median:.1f}, {1e3 * best:.1f} ({size / best / 1e9:.2f})" for median, best in found)
        print(f"| {mib << 18:,} numbers, {dtype} | {cells} |", flush=True)


# ---- steps -----------------------------------------------------------------------------------------


def steps(work, arch, hosts=None):
    counts = (2,) if hosts else (1, 2, 3, 4)
    print(f"\n{arch}, crop 128, batch 1 a process, " + ("2 hosts with 1 Gbit/s" if hosts else "one thread each") + ": s a step, median and best (CPU s of a rank)")
    print("| | " + " | ".join(f"{count} processes" for count in counts) + " |")
    for variant, overrides in VARIANTS.items():
        cells = []
        for count in counts:
            if count == 1 and overrides:
                cells.append("")
                continue
            with started(work, arch, count, hosts, 128, overrides) as runs:
                median, best, cpu = measured_steps(work, runs, count)
                cells.append(f"{median:.2f}, {best:.2f} ({cpu:.2f})")
        print(f"| {variant} | " + " | ".join(cells) + " |", flush=True)


class started:
    """Training that is ended before it saves anything."""

    def __init__(self, work, arch, count, hosts, crop, overrides):
        shutil.rmtree(work.root / "speed", ignore_errors=True)
        spec = work.spec("speed", 1_000_000, 1_000_000)
        words = work.train(
            spec, "speed", 1, f"model.arch={arch}", "model.embed_dim=null", "model.depth=null", "model.num_heads=null",
            "model.mask_head_hidden_channel=256", "model.mask_head_out_channel=256", f"dataset.crop_size={crop}",
            "dataset.val_ann_path=null", *overrides)
        if hosts is None:
            self.runs = [Run(work.launched(count, words), work.log("speed"))]
        else:
            launch = [work.mal, "launch", "--nodes", count, "--processes", 1, "--", *words]
            self.runs = [
                Run(hosts.command(host, launch), work.log(f"speed-{host}"), hosts.environment(host, count))
                for host in range(count)]

    def __enter__(self):
        return self.runs

    def __exit__(self, *_):
        for run in self.runs:
            run.end()


def measured_steps(work, runs, count):
    """Seconds of a step, median and best, and CPU seconds of a step and rank."""
    file = work.run_folder("speed") / "metrics.jsonl"
    end = time.monotonic() + 600
    seconds, start, ids = [], None, []
    while len(seconds) < STEPS + 2:
        if start is None and len(seconds) >= 2:
            ids = [runs[0].process.pid] if count == 1 else [run.rank_process(rank) for run in runs for rank in range(count)]
            ids = [process for process in ids if process is not None]
            start = (len(seconds), cpu_seconds(ids))
        require(time.monotonic() < end and not any(run.has_ended for run in runs), runs[0].text)
        time.sleep(0.1)
        if file.exists():
            seconds = [json.loads(line)["seconds"] for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
    cpu = (cpu_seconds(ids) - start[1]) / (len(seconds) - start[0]) / len(ids)
    return statistics.median(seconds[2:]), min(seconds[2:]), cpu


def cpu_seconds(processes):
    fields = [Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split() for process in processes]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


# ---- memory ----------------------------------------------------------------------------------------


def memory(work, options):
    print("\nresident MB of each rank after 10 steps, and its peak; crop 112, batch 1:")
    for arch in options.memory_archs.split(","):
        for count, strategy in ((1, "ddp"), (2, "ddp"), (2, "zero1")):
            # float32: two networks, gradients, their flat copy, and the moments.
            need = PARAMETERS[arch] * 4e6 * count * (4 + 2 / (count if strategy == "zero1" else 1))
            free = available_memory(need / 0.85)
            case = f"| {arch} | {count} | {strategy} | "
            if need > 0.85 * free:
                print(case + f"does not fit: needs about {need / 1e9:.0f} GB, {free / 1e9:.0f} GB are free |", flush=True)
                continue
            with started(work, arch, count, None, 112, (f"strategy={strategy}",)) as runs:
                after_steps(work, runs[0])
                ids = [runs[0].process.pid] if count == 1 else [runs[0].rank_process(rank) for rank in range(count)]
                found = [resident(process) for process in ids]
            print(case + ", ".join(f"{now:.0f} ({peak:.0f})" for now, peak in found) + " |", flush=True)


def after_steps(work, run, count=10):
    file = work.run_folder("speed") / "metrics.jsonl"
    end = time.monotonic() + 600
    while not file.exists() or file.read_text().count("\n") < count:
        require(time.monotonic() < end and not run.has_ended, run.text)
        time.sleep(0.1)


def available_memory(wanted):
    """Bytes; what the processes before had comes back within seconds."""
    end = time.monotonic() + 15
    while True:
        line = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable"))
        free = int(line.split()[1]) * 1024
        if free >= wanted or time.monotonic() > end:
            return free
        time.sleep(0.5)


def resident(process):
    """MB now and at most."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return tuple(int(status[key].split()[0]) / 1000 for key in ("VmRSS", "VmHWM"))
