#!/usr/bin/env python3
"""Times mal beside plain PyTorch, a step of one after a step of the other, and prints the ratios.

Both programs stay loaded and take turns (A B, B A, …), so that whatever else the machine does
meets both. The ratio is the one of the medians; its spread is that of the pairs' ratios.
Below 1 is faster, or smaller, than PyTorch.

  compare.py --bench PATH [--python PYTHON_WITH_TORCH] [--rounds N] [--json FILE]
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
# What is measured; a row of the table each.
CASES = [
    {"what": "infer", "arch": "tiny", "crop": 512, "batch": 4},
    {"what": "infer", "arch": "base", "crop": 512, "batch": 4},
]
WARM = 2
# OpenMP threads spin for a few milliseconds after their work; the other program waits that long.
PAUSE = 0.02


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


def options(case, threads):
    named = [f"--{key}={value}" for key, value in case.items() if key != "what"]
    return [case["what"], *named, f"--threads={threads}", f"--warm={WARM}"]


def measure(case, o, has_torch):
    programs = [Program("mal", [o.bench, *options(case, o.threads), "--paced"])]
    if has_torch:
        script = os.path.join(HERE, "paced_baseline.py")
        programs.append(Program(
            "PyTorch", [o.python, script, *options(case, o.threads), "--device=cpu"]))
    times = [[] for _ in programs]
    for turn in range(WARM + o.rounds):
        order = range(len(programs)) if turn % 2 == 0 else reversed(range(len(programs)))
        for index in order:
            seconds = programs[index].step()
            if turn >= WARM:
                times[index].append(seconds)
    row = dict(case, threads=o.threads, rounds=o.rounds)
    for program, seconds in zip(programs, times):
        own = program.finish()
        row[program.name] = {
            "seconds_per_crop": statistics.median(seconds) / case["batch"],
            "fastest_seconds_per_crop": min(seconds) / case["batch"],
            "peak_memory_mib": own["peak_memory_mib"], "torch": own["torch"], "steps": seconds}
    if has_torch:
        ours, theirs = row["mal"], row["PyTorch"]
        pairs = sorted(a / b for a, b in zip(*times))
        row["ratio"] = ours["seconds_per_crop"] / theirs["seconds_per_crop"]
        row["ratio_of_fastest"] = (
            ours["fastest_seconds_per_crop"] / theirs["fastest_seconds_per_crop"])
        row["pair_ratios"] = {
            "median": statistics.median(pairs),
            "quarter": pairs[len(pairs) // 4], "three_quarters": pairs[-1 - len(pairs) // 4]}
        row["memory_ratio"] = ours["peak_memory_mib"] / theirs["peak_memory_mib"]
    return row


def text(row):
    name = f"{row['what']} {row['arch']} {row['crop']} x{row['batch']}"
    ours = row["mal"]
    if "PyTorch" not in row:
        return f"{name:22}{ours['seconds_per_crop']:9.4f}{ours['peak_memory_mib']:62d}"
    theirs, pairs = row["PyTorch"], row["pair_ratios"]
    return (
        f"{name:22}{ours['seconds_per_crop']:9.4f}{theirs['seconds_per_crop']:10.4f}"
        f"{row['ratio']:8.3f}  {pairs['quarter']:.3f} to {pairs['three_quarters']:.3f}"
        f"{row['ratio_of_fastest']:10.3f}"
        f"{ours['peak_memory_mib']:11d}{theirs['peak_memory_mib']:9d}{row['memory_ratio']:8.2f}")


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--bench", required=True, help="the built executable")
    a.add_argument("--python", default="python3", help="a Python that can import torch")
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--rounds", type=int, default=10)
    a.add_argument("--only", action="append", help="an arch; may be repeated")
    a.add_argument("--json", help="where to write every number")
    o = a.parse_args()
    has_torch = subprocess.run(
        [o.python, "-c", "import torch"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL).returncode == 0
    if not has_torch:
        print(
            f"{o.python} cannot import torch, so mal is measured alone. To compare:\n"
            "  python3 -m venv .venv && .venv/bin/pip install torch\n"
            "  PYTHON=.venv/bin/python make bench\n")
    print(f"{o.threads} threads, float32, CPU; {o.rounds} steps each in turns")
    print(
        "                       mal s/  PyTorch   ratio   half of pairs  ratio of"
        "   mal peak  PyTorch  memory\n"
        "                         crop   s/crop                           fastest"
        "        MiB      MiB   ratio")
    rows = []
    for case in CASES:
        if o.only and case["arch"] not in o.only:
            continue
        rows.append(measure(case, o, has_torch))
        print(text(rows[-1]), flush=True)
    if o.json:
        with open(o.json, "w") as file:
            json.dump({"load": os.getloadavg(), "rows": rows}, file)


if __name__ == "__main__":
    main()
