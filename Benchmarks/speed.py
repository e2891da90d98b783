"""Speed of mal beside plain PyTorch, eager and compiled, and beside ONNX Runtime and OpenVINO: a step of one, then a
step of the other.

The programs stay loaded and take turns (A B C, C B A, …), so that whatever else the machine does
meets all. The ratio is the one of the medians; its spread is that of the pairs' ratios. Below 1
is faster, or smaller, than PyTorch.
"""
import json
import os
import statistics
import subprocess
import tempfile
import time

import goals
import rivals

HERE = os.path.dirname(os.path.abspath(__file__))
# What is measured, a row of the table each: arguments that `bench` and `pytorch_baseline.py` share.
CASES = [
    {"what": "train", "arch": "tiny", "crop": 512, "batch": 4},
    {"what": "train", "arch": "small", "crop": 512, "batch": 4},
    {"what": "train", "arch": "base", "crop": 512, "batch": 4},
    {"what": "infer", "arch": "tiny", "crop": 512, "batch": 4},
    {"what": "infer", "arch": "small", "crop": 512, "batch": 4},
    {"what": "infer", "arch": "base", "crop": 512, "batch": 4},
    {"what": "infer", "arch": "tiny", "crop": 512, "batch": 4, "precision": "int8"},
    {"what": "infer", "arch": "small", "crop": 512, "batch": 4, "precision": "int8"},
    {"what": "meanfield", "arch": "tiny", "map": 128, "batch": 4},
]
WARM = 2
# OpenMP threads spin for a few milliseconds after their work; the other program waits that long.
PAUSE = 0.02
EAGER, COMPILED = "PyTorch", "compiled"
SHOWN = {COMPILED: "  torch.compile"} | {name: "  " + name for name in rivals.RUNTIMES}
# Sizes of network that rivals are measured with.
RIVAL_ARCHS = ("tiny", "small")
HEADER = (
    f"{'':20}{'mal':>9}{'other':>9}{'':>8}{'half of the':>15}{'of the':>9}"
    f"{'mal':>9}{'other':>9}\n"
    f"{'':20}{'s/crop':>9}{'s/crop':>9}{'ratio':>8}{'pairs':>15}{'fastest':>9}"
    f"{'peak MiB':>9}{'peak MiB':>9}{'ratio':>8}")


class Ended(Exception):
    """A program that died, and what it said last."""


class Program:
    """A program that does a step for each line it is given."""

    def __init__(self, name, command):
        self.name = name
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)

    def step(self):
        """Seconds, as the program itself measures them."""
        time.sleep(PAUSE)
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            return float(self.process.stdout.readline())
        except (BrokenPipeError, ValueError):
            code = self.process.wait()
            self.errors.seek(0)
            raise Ended(f"exit code {code}: {last_line(self.errors.read())}") from None

    def finish(self):
        """The program's own JSON line."""
        output, _ = self.process.communicate()
        return json.loads(output.splitlines()[-1])


def last_line(text):
    """The last line that says something, cut to a width that a table bears."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"


def why_not_compiled(python):
    """Why torch.compile cannot run with that Python; None where it can."""
    tried = subprocess.run(
        [python, "-c", "import torch; torch.compile(lambda x: x.cos() + 1)(torch.ones(8))"],
        capture_output=True, text=True)
    return last_line(tried.stderr) if tried.returncode != 0 else None


def has_torch(python):
    found = subprocess.run(
        [python, "-c", "import torch"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return found.returncode == 0


def options(case, threads):
    named = [f"--{key}={value}" for key, value in case.items() if key not in ("what", "precision")]
    return [case["what"], *named, f"--threads={threads}", f"--warm={WARM}"]


def measure(case, bench, baselines, threads, rounds):
    """One row. `baselines`: name → command of what mal is compared with, all its arguments included; one that
    dies is a reason in the row."""
    int8 = ["--int8"] if case.get("precision") == "int8" else []
    programs = {"mal": Program("mal", [bench, *options(case, threads), *int8, "--paced"])}
    for name, command in baselines.items():
        programs[name] = Program(name, command)
    row = dict(case, threads=threads, rounds=rounds)
    times = {name: [] for name in programs}
    for turn in range(WARM + rounds):
        order = list(programs)
        for name in order if turn % 2 == 0 else order[::-1]:
            try:
                seconds = programs[name].step()
            except Ended as reason:
                if name == "mal":
                    raise SystemExit(f"mal ended early, {reason}") from None
                row[name] = {"failed": str(reason)}
                del programs[name]
                continue
            if turn >= WARM:
                times[name].append(seconds)
    for name, program in programs.items():
        own, seconds = program.finish(), times[name]
        row[name] = {
            "seconds_per_crop": statistics.median(seconds) / case["batch"],
            "fastest_seconds_per_crop": min(seconds) / case["batch"],
            "peak_memory_mib": own["peak_memory_mib"], "torch": own["torch"], "steps": seconds}
    for name in programs:
        if name != "mal":
            row[name].update(ratios(row["mal"], row[name]))
    return row


def ratios(ours, theirs):
    pairs = sorted(a / b for a, b in zip(ours["steps"], theirs["steps"]))
    return {
        "ratio": ours["seconds_per_crop"] / theirs["seconds_per_crop"],
        "ratio_of_fastest": ours["fastest_seconds_per_crop"] / theirs["fastest_seconds_per_crop"],
        "pair_ratios": {
            "quarter": pairs[len(pairs) // 4], "median": statistics.median(pairs),
            "three_quarters": pairs[-1 - len(pairs) // 4]},
        "memory_ratio": ours["peak_memory_mib"] / theirs["peak_memory_mib"]}


def title(row):
    return (
        f"{row['what']} {row['map']}x{row['batch']}" if "map" in row
        else f"{row['what']} {row['arch']} {row['crop']}x{row['batch']} {row.get('precision', '')}".rstrip())


def lines(row):
    """A line for each program that mal is measured beside, or one for mal alone."""
    ours, name = row["mal"], title(row)
    others = [other for other in (EAGER, *SHOWN) if other in row]
    if not others:
        yield f"{name:20}{ours['seconds_per_crop']:9.4f}{ours['peak_memory_mib']:50d}"
    elif others[0] != EAGER:
        yield name
    for other in others:
        shown = SHOWN.get(other, name)
        theirs = row[other]
        if "failed" in theirs:
            yield f"{shown:20}does not run: {theirs['failed']}"
            continue
        pairs = theirs["pair_ratios"]
        spread = f"{pairs['quarter']:.2f} to {pairs['three_quarters']:.2f}"
        line = (
            f"{shown:20}{ours['seconds_per_crop']:9.4f}{theirs['seconds_per_crop']:9.4f}"
            f"{theirs['ratio']:8.3f}{spread:>15}{theirs['ratio_of_fastest']:9.3f}"
            f"{ours['peak_memory_mib']:9d}{theirs['peak_memory_mib']:9d}"
            f"{theirs['memory_ratio']:8.2f}")
        if other == EAGER:
            goal = goals.STEP_RATIOS.get((row["what"], row["arch"]))
            line += (
                "  time: " + goals.verdict(f"{name}, time", theirs["ratio"], goal)
                + "; memory: " + goals.verdict(
                    f"{name}, memory", theirs["memory_ratio"], goals.MEMORY_RATIO))
        yield line
    found = [row[other]["ratio"] for other in rivals.RUNTIMES if "ratio" in row.get(other, {})]
    if found:
        goal = goals.RIVAL_RATIOS[row.get("precision", "fp32")]
        yield (
            f"  of the fastest rival's time: {max(found):.3f}, "
            + goals.verdict(f"{name}, of the fastest rival", max(found), goal))


def baselines(o):
    """Name → command of the programs to compare with, and why there are not more."""
    if not has_torch(o.python):
        return {}, (
            f"{o.python} cannot import torch, so mal is not measured beside PyTorch. To compare:\n"
            "  python3 -m venv .venv && .venv/bin/pip install torch\n"
            "  PYTHON=.venv/bin/python make bench\n")
    script = [o.python, os.path.join(HERE, "paced_baseline.py")]
    found = {EAGER: script}
    if o.no_compile:
        return found, "Without torch.compile, as was asked for"
    reason = why_not_compiled(o.python)
    if reason:
        return found, f"torch.compile does not run here: {reason}"
    found[COMPILED] = [*script, "--compile"]
    return found, None


def run(o):
    """All rows, printed as they come."""
    found, reason = baselines(o)
    if reason:
        print(reason)
    names, missing = rivals.there(o.python)
    for line in missing:
        print(line)
    print(f"A step of each kind, float32 on {o.threads} CPU threads, {o.rounds} turns")
    print(HEADER)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            if (o.arch and case["arch"] not in o.arch) or (o.what and case["what"] not in o.what):
                continue
            row = measure(case, o.bench, others(o, case, found, names, folder), o.threads, o.rounds)
            if reason and EAGER in row and case["what"] != "meanfield":
                row[COMPILED] = {"failed": reason}
            rows.append(row)
            for line in lines(row):
                print(line, flush=True)
    return rows


def others(o, case, found, names, folder):
    """Name → command of what mal is measured beside in one row."""
    commands = {}
    if "precision" not in case:
        for name, command in found.items():
            # The mean field is not a network that could be compiled.
            if name != COMPILED or case["what"] != "meanfield":
                commands[name] = [*command, *options(case, o.threads), "--device=cpu"]
    if case["what"] == "infer" and case["arch"] in RIVAL_ARCHS:
        commands |= rivals.commands(o, case, names, folder)
    return commands
