#!/usr/bin/env python3
"""Runs the benchmarks, prints their tables and keeps every number in results/DATE-MACHINE.json."""
import argparse
import datetime
import json
import os
import re
import subprocess

import data
import evaluation
import goals
import limit
import memory
import speed

PARTS = {
    "speed": speed.run, "limit": limit.run, "data": data.run, "memory": memory.run,
    "evaluation": evaluation.part}


def machine():
    """What decides how fast it is, without a name."""
    with open("/proc/cpuinfo") as file:
        models = re.findall(r"model name\s*: (.*)", file.read())
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": models[0].strip() if models else os.uname().machine,
        "cores": len(os.sched_getaffinity(0)), "memory_gib": round(pages / 2**30, 1)}


def commit():
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=speed.HERE, capture_output=True, text=True)
    return found.stdout.strip() or None


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    a.add_argument("--bench", required=True, help="the built benchmarks")
    a.add_argument("--mal", required=True, help="the built mal")
    a.add_argument("--python", required=True, help="a Python that can import torch")
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--rounds", type=int, default=3, help="steps of each program (default: 3)")
    a.add_argument("--arch", action="append", help="only this size of network; may be repeated")
    a.add_argument(
        "--what", action="append", help="only train, infer or meanfield; may be repeated")
    a.add_argument(
        "--no-compile", action="store_true", help="without torch.compile, whose compiling takes minutes")
    a.add_argument(
        "--quick", action="store_true",
        help="tiny networks, one turn, small files, no torch.compile: a first look in some minutes")
    o = a.parse_args()
    if o.quick:
        o.rounds, o.arch, o.no_compile = 1, o.arch or ["tiny"], True
    now, here = datetime.datetime.now(), machine()
    result = {
        "date": now.isoformat(timespec="seconds"), "machine": here, "commit": commit(),
        "quick": o.quick, "load_before": os.getloadavg()}
    print(f"{here['cpu']}, {here['cores']} cores, load {result['load_before'][0]:.1f}\n")
    o.speed_rows = []
    for part in o.parts or PARTS:
        result[part] = PARTS[part](o)
        if part == "speed":
            o.speed_rows = result[part]
        print()
    result["goals"], result["load_after"] = goals.checked, os.getloadavg()
    result["minutes"] = round((datetime.datetime.now() - now).total_seconds() / 60, 1)
    print(f"{goals.summary()}; {result['minutes']} minutes\n")
    name = re.sub(r"[^a-z0-9]+", "-", f"{here['cpu']} {here['cores']}".lower()).strip("-")
    path = os.path.join("results", f"{now:%Y-%m-%dT%H%M}-{name}{'-quick' if o.quick else ''}.json")
    os.makedirs(os.path.join(speed.HERE, "results"), exist_ok=True)
    with open(os.path.join(speed.HERE, path), "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    print(f"Every number: Benchmarks/{path}")


if __name__ == "__main__":
    main()
