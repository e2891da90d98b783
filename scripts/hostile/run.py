"""Runs the cases of the files beside this one; see ../hostile-inputs.sh."""

import argparse
import glob
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import annotations
import checkpoints
import formats
import images
import specs
import surroundings
import training
from sandbox import Sandbox

SECONDS = 20
MEGABYTES = 1500
LAST_RESORT_MEGABYTES = 4000  # killed there, to spare the machine
OUTPUT_BYTES = 1_000_000
TRAPS = re.compile(r"Fatal error|Precondition failed|terminate called|Traceback|Illegal instruction|AddressSanitizer")

LOADER = re.compile(r"error while loading shared libraries: \S+ (failed to map|cannot (map|allocate|create))")


class Result:
    def __init__(self, code, seconds, megabytes, output, output_bytes):
        self.code, self.seconds, self.megabytes = code, seconds, megabytes
        self.output, self.output_bytes = output, output_bytes


def limit():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 30, 2 << 30))


def resident(pid):
    """Resident size in MB of a child of ours."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 1e6
    except (OSError, IndexError, ValueError):
        return 0


def run(mal, arguments, sandbox, prepare=None):
    def ready():
        limit()
        if prepare:
            prepare()

    environment = {
        "PATH": os.environ["PATH"], "HOME": str(sandbox.root / "home"), "TMPDIR": str(sandbox.root / "tmp"),
        "LANG": "C.UTF-8", "SWIFT_BACKTRACE": "enable=no",
    }
    log = sandbox.log
    with open(log, "wb") as file:
        start = time.monotonic()
        child = subprocess.Popen(
            [mal, *arguments], cwd=sandbox.work, env=environment, stdin=subprocess.DEVNULL,
            stdout=file, stderr=subprocess.STDOUT, preexec_fn=ready)
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - start > SECONDS or resident(child.pid) > LAST_RESORT_MEGABYTES:
                os.kill(child.pid, signal.SIGKILL)  # ours and not yet waited for
                _, status, usage = os.wait4(child.pid, 0)
                break
            time.sleep(0.01)
        seconds = time.monotonic() - start
    code = os.waitstatus_to_exitcode(status)
    child.returncode = code
    with open(log, "rb") as file:
        output = file.read(200_000).decode(errors="replace")
    return Result(code, seconds, usage.ru_maxrss * 1024 / 1e6, output, os.path.getsize(log))


def faults(case, result, changed):
    if result.code < 0:
        killed = result.seconds > SECONDS or result.megabytes > LAST_RESORT_MEGABYTES
        yield f"killed after {result.seconds:.0f} s" if killed else f"ended by {signal.Signals(-result.code).name}"
    elif case.expect == "error" and result.code not in (1, 64):
        yield f"exit code {result.code} where an error is due"
    elif case.expect == "done" and result.code != 0:
        yield f"exit code {result.code} where 0 is due"
    elif case.expect == "usage" and result.code != 64:
        yield f"exit code {result.code} where 64 is due"
    elif result.code == 127 and LOADER.search(result.output):
        return  # the system's loader, before there is a program
    elif result.code not in (0, 1, 64):
        yield f"exit code {result.code}"
    if result.code in (1, 64) and not result.output.strip():
        yield "an error without a word"
    if result.megabytes > MEGABYTES:
        yield f"{result.megabytes:.0f} MB"
    if TRAPS.search(result.output):
        yield "a trap's words in the output"
    if result.output_bytes > OUTPUT_BYTES:
        yield f"{result.output_bytes} bytes of output"
    if "\x1b[2J" in result.output or "\x00" in result.output:
        yield "control characters of the input reach the terminal"
    if changed:
        yield "outside the output folder: " + ", ".join(changed)


def first_lines(text, count=3, width=160):
    lines = [re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "?", line.rsplit("\r", 1)[-1]) for line in text.splitlines() if line.strip()]
    shown = [line if len(line) <= width else line[:width] + "…" for line in lines[:count]]
    return shown + ([f"… {len(lines) - count} more lines"] if len(lines) > count else [])


def main():
    parser = argparse.ArgumentParser(prog="hostile-inputs.sh")
    parser.add_argument("--only", help="cases whose name holds this word")
    parser.add_argument("--keep", help="keep inputs and logs in this folder")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()

    here = pathlib.Path(__file__).resolve().parent.parent.parent
    found = sorted(glob.glob(str(here / "Models" / "*.safetensors")))
    checkpoint = os.environ.get("CHECKPOINT") or (found[0] if found else None)
    if not options.list and (checkpoint is None or not os.path.exists(checkpoint)):
        sys.exit("hostile-inputs: no checkpoint; name one in CHECKPOINT")
    settings = {
        "checkpoint": os.path.abspath(checkpoint or "none"),
        "arch": os.environ.get("ARCH", "vit-dinov2-small/14"),
        "crop": os.environ.get("CROP", "224"),
        "jpeg": here / "Demo" / "images" / "rocket.jpg",
    }
    cases = [c for m in (annotations, formats, images, checkpoints, specs, training, surroundings) for c in m.cases(settings)]
    assert len({c.name for c in cases}) == len(cases), "two cases have one name"
    if options.only:
        cases = [c for c in cases if options.only in c.name]
    if options.list:
        print("\n".join(f"{c.expect:6} {c.name}" for c in cases))
        print(len(cases), "cases")
        return

    mal = os.path.abspath(os.environ["MAL"])
    folder = pathlib.Path(options.keep or tempfile.mkdtemp(prefix="hostile-")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    bad, worst = [], (0, 0)
    if options.markdown:
        print("| input | exit | s | MB | what it prints |\n| --- | --- | --- | --- | --- |")
    for number, case in enumerate(cases, 1):
        sandbox = Sandbox(folder / f"{number:03}")
        try:
            arguments = case.build(sandbox)
            before = sandbox.snapshot()
            result = run(mal, arguments, sandbox, case.prepare)
            problems = list(faults(case, result, sandbox.changes(before)))
        finally:
            if not options.keep:
                shutil.rmtree(sandbox.root, ignore_errors=True)
        worst = (max(worst[0], result.seconds), max(worst[1], result.megabytes))
        shown = [line.replace(str(sandbox.root), "ROOT") for line in first_lines(result.output)]
        if options.markdown:
            text = "<br>".join(line.replace("|", "\\|").replace("<", "&lt;") for line in shown)
            print(f"| {case.name} | {result.code} | {result.seconds:.1f} | {result.megabytes:.0f} | {text} |", flush=True)
        else:
            verdict = "FAIL" if problems else "ok"
            print(f"{verdict:4} {case.name}: exit {result.code}, {result.seconds:.1f} s, {result.megabytes:.0f} MB", flush=True)
            for line in shown:
                print("       ", line)
        for problem in problems:
            bad.append(f"{case.name}: {problem}")
            if not options.markdown:
                print("      >>", problem)
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{len(cases)} inputs, {len(bad)} faults; longest {worst[0]:.1f} s, largest {worst[1]:.0f} MB")
    for line in bad:
        print("  ", line)
    sys.exit(1 if bad else 0)


main()
