"""Speed of mal beside plain PyTorch: a step of one, then a step of the other.

Both programs stay loaded and take turns (A B, B A, …), so that whatever else the machine does
meets both. The ratio is the one of the medians; its spread is that of the pairs' ratios. Below 1
is faster, or smaller, than PyTorch.
"""
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# What is measured, a row of the table each: arguments that `bench` and `pytorch_baseline.py` share.
CASES = [
    {"what": "train", "arch": "tiny", "crop": 512, "batch": 4},
    {"what": "train", "arch": "base", "crop": 512, "batch": 4},
    {"what": "infer", "arch": "tiny", "crop": 512, "batch": 4},
    {"what": "infer", "arch": "base", "crop": 512, "batch": 4},
    {"what": "meanfield", "arch": "tiny", "map": 128, "batch": 4},
]
WARM = 2
# OpenMP threads spin for a few milliseconds after their work; the other program waits that long.
PAUSE = 0.02
HEADER = (
    f"{'':20}{'mal':>9}{'PyTorch':>9}{'':>8}{'half of the':>15}{'of the':>9}"
    f"{'mal':>9}{'PyTorch':>9}\n"
    f"{'':20}{'s/crop':>9}{'s/crop':>9}{'ratio':>8}{'pairs':>15}{'fastest':>9}"
    f"{'peak MiB':>9}{'peak MiB':>9}{'ratio':>8}")


class Program:
    """A program that does a step for each line it is given."""

    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def step(self):
        """Seconds, as the program itself measures them."""
        time.sleep(PAUSE)
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            return float(self.process.stdout.readline())
        except (BrokenPipeError, ValueError):
            sys.exit(f"{self.name} ended early, exit code {self.process.wait()}")

    def finish(self):
        """The program's own JSON line."""
        output, _ = self.process.communicate()
        return json.loads(output.splitlines()[-1])


def has_torch(python):
    found = subprocess.run(
        [python, "-c", "import torch"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return found.returncode == 0


def options(case, threads):
    named = [f"--{key}={value}" for key, value in case.items() if key != "what"]
    return [case["what"], *named, f"--threads={threads}", f"--warm={WARM}"]


def measure(case, bench, python, threads, rounds):
    """One row; `python` is nil where there is no PyTorch."""
    programs = [Program("mal", [bench, *options(case, threads), "--paced"])]
    if python:
        script = os.path.join(HERE, "paced_baseline.py")
        programs.append(
            Program("PyTorch", [python, script, *options(case, threads), "--device=cpu"]))
    times = [[] for _ in programs]
    for turn in range(WARM + rounds):
        order = list(range(len(programs)))
        for index in order if turn % 2 == 0 else order[::-1]:
            seconds = programs[index].step()
            if turn >= WARM:
                times[index].append(seconds)
    row = dict(case, threads=threads, rounds=rounds)
    for program, seconds in zip(programs, times):
        own = program.finish()
        row[program.name] = {
            "seconds_per_crop": statistics.median(seconds) / case["batch"],
            "fastest_seconds_per_crop": min(seconds) / case["batch"],
            "peak_memory_mib": own["peak_memory_mib"], "torch": own["torch"], "steps": seconds}
    if python:
        ours, theirs = row["mal"], row["PyTorch"]
        pairs = sorted(a / b for a, b in zip(*times))
        row["ratio"] = ours["seconds_per_crop"] / theirs["seconds_per_crop"]
        row["ratio_of_fastest"] = (
            ours["fastest_seconds_per_crop"] / theirs["fastest_seconds_per_crop"])
        row["pair_ratios"] = {
            "quarter": pairs[len(pairs) // 4], "median": statistics.median(pairs),
            "three_quarters": pairs[-1 - len(pairs) // 4]}
        row["memory_ratio"] = ours["peak_memory_mib"] / theirs["peak_memory_mib"]
    return row


def text(row):
    name = (
        f"{row['what']} {row['map']}x{row['batch']}" if "map" in row
        else f"{row['what']} {row['arch']} {row['crop']}x{row['batch']}")
    ours = row["mal"]
    if "PyTorch" not in row:
        return f"{name:20}{ours['seconds_per_crop']:9.4f}{ours['peak_memory_mib']:50d}"
    theirs, pairs = row["PyTorch"], row["pair_ratios"]
    spread = f"{pairs['quarter']:.2f} to {pairs['three_quarters']:.2f}"
    return (
        f"{name:20}{ours['seconds_per_crop']:9.4f}{theirs['seconds_per_crop']:9.4f}"
        f"{row['ratio']:8.3f}{spread:>15}{row['ratio_of_fastest']:9.3f}"
        f"{ours['peak_memory_mib']:9d}{theirs['peak_memory_mib']:9d}{row['memory_ratio']:8.2f}")


def run(o):
    """All rows, printed as they come."""
    python = o.python if has_torch(o.python) else None
    if not python:
        print(
            f"{o.python} cannot import torch, so mal is measured alone. To compare:\n"
            "  python3 -m venv .venv && .venv/bin/pip install torch\n"
            "  PYTHON=.venv/bin/python make bench\n")
    print(f"A step of each kind, float32 on {o.threads} CPU threads, {o.rounds} turns")
    print(HEADER)
    rows = []
    for case in CASES:
        chosen = (not o.arch or case["arch"] in o.arch) and (not o.what or case["what"] in o.what)
        if chosen:
            rows.append(measure(case, o.bench, python, o.threads, o.rounds))
            print(text(rows[-1]), flush=True)
    return rows
