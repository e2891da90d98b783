"""Strangers at the store of a run: what each got, and what became of the run."""
import subprocess
import sys
from pathlib import Path

from .hosts import Hosts
from .runs import Run, require, run_whole, weights_digest

STRANGER = Path(__file__).parent / "stranger.py"
# The attack, and from where: another address of the loopback device or another host.
HARMLESS = ["connect", "http", "garbage", "giant", "guess", "read", "sign", "flood", "count"]
# These end a run, with a reason, at the latest when the next number is read.
ENDING = ["add", "forge", "swap", "delete"]
# What a run may say that ends by itself because of a stranger.
REASONS = ["a stranger wrote into the run's store", "rank 0 at", "lost", "died", "gave no sign of life"]


def check(work, options):
    spec = work.spec("strangers", 240, 80)
    whole = work.train(spec, "whole", 3)
    run_whole(work.launched(2, whole), work.log("whole"))
    wanted = weights_digest(work.run_folder("whole"))
    print("| attack | from | what he got | the run |\n| --- | --- | --- | --- |")
    one_machine(work, spec, wanted)
    if options.hosts:
        with Hosts(3) as hosts:
            several(work, spec, wanted, hosts)


def attack(name, host, port, source=None, prefix=()):
    words = [*prefix, sys.executable, STRANGER, name, host, str(port), *([source] if source else [])]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def master_port(run):
    environment = Path(f"/proc/{run.rank_process(1)}/environ").read_bytes().split(b"\0")
    return int(next(entry for entry in environment if entry.startswith(b"MASTER_PORT=")).split(b"=")[1])


def outcome(work, run, name, wanted):
    """What became of a run: the same weights, or an end with a reason."""
    code = run.wait(600)
    if code == 0:
        require(weights_digest(work.run_folder(name)) == wanted, f"{name} has other weights")
        return "ends with the same weights"
    lines = [line for line in run.text.splitlines() if line.startswith("Error: ")]
    require(code == 1 and lines, f"{name}: exit code {code}\n{run.text[-2000:]}")
    require(any(reason in lines[0] for reason in REASONS), f"{name}: {lines[0]}")
    return f"exit code 1: `{lines[0][7:140]}`"


def started(work, spec, name):
    run = Run(work.launched(2, work.train(spec, name, 3)), work.log(name))
    run.wait_for("step 1/")
    return run, master_port(run)


def one_machine(work, spec, wanted):
    run, port = started(work, spec, "attacked")
    rows = [("connect", "127.0.0.2", attack("connect", "127.0.0.2", port))]
    own = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split()
    if own:
        rows.append(("connect", "this machine's address in the network", attack("connect", own[0], port)))
    require(all("ConnectionRefused" in row[2] for row in rows), f"{rows}")
    for name in HARMLESS:
        rows.append((name, "127.0.0.5", attack(name, "127.0.0.1", port, "127.0.0.5")))
    require("answered" in rows[-1][2], f"after a flood: {rows[-1]}")
    require(not run.has_ended, f"the run did not outlive the attacks:\n{run.text[-2000:]}")
    rows += late_comers(work, spec, "127.0.0.1", port, (1, 0))
    print_rows(rows, outcome(work, run, "attacked", wanted))
    for name in ENDING:
        run, port = started(work, spec, f"attacked-{name}")
        row = (name, "127.0.0.5", attack(name, "127.0.0.1", port, "127.0.0.5"))
        print_rows([row], outcome(work, run, f"attacked-{name}", wanted))


def late_comers(work, spec, host, port, ranks, prefix=()):
    """Other jobs at the run's port: a rank with another secret, and a rank 0 of its own."""
    rows = []
    for rank in ranks:
        said = "belongs to another run" if rank else "in use"
        environment = {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": host,
            "MASTER_PORT": str(port), "MAL_RUN_SECRET": "f" * 32}
        name = f"late-{rank}-{len(prefix)}"
        seconds, text = run_whole(
            [*prefix, work.mal, *work.train(spec, name, 3)], work.log(name), 60, environment, code=1)
        line = next(line for line in text.splitlines() if line.startswith("Error: "))
        require(said in line, text)
        rows.append((f"mal train as rank {rank}, another secret", host, f"`{line[7:150]}` after {seconds:.1f} s in all"))
    return rows


def several(work, spec, wanted, hosts):
    def start(name):
        words = [work.mal, "launch", "--nodes", 2, "--processes", 1, "--", *work.train(spec, name, 3)]
        runs = [
            Run(hosts.command(number, words), work.log(f"{name}-{number}"), hosts.environment(number, 2))
            for number in range(2)]
        runs[0].wait_for("step 1/")
        return runs

    for name in [HARMLESS, *([each] for each in ENDING)]:
        folder = "hosts-" + name[0]
        runs = start(folder)
        prefix = hosts.command(2, [])
        rows = [(each, "a third host", attack(each, hosts.address(0), 29511, prefix=prefix)) for each in name]
        if name is HARMLESS:
            require("answered" in rows[-1][2], f"after a flood: {rows[-1]}")
            rows += late_comers(work, spec, hosts.address(0), 29511, (1,), prefix)
        print_rows(rows, outcome(work, runs[0], folder, wanted))
        runs[1].wait(60)


def print_rows(rows, end):
    for name, place, got in rows:
        print(f"| {name} | {place} | {got} | {end} |", flush=True)
