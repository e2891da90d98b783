"""One of 3 ranks is killed (signal 9), stopped (SIGSTOP) or cut off (its host's link goes down) at a random moment."""
import os
import random
import shutil
import signal
import time
from contextlib import nullcontext

from .hosts import SECRET, Hosts
from .runs import Failure, Run, checkpoints, digest, largest_difference, metrics, require, run_whole, weights_digest

RANKS = 3
EPOCHS, INTERVAL = 24, 2
# Until the others have ended: the timeout, then what a launcher gives a rank that does not listen.
GRACE = 25
REASONS = ("Error: ", "warning: rank", "mal: rank", "mal: starting over")


def check(work, options):
    chance = random.Random(options.seed)
    for kind in options.kinds.split(","):
        if kind == "cut" and not options.hosts:
            continue
        with Hosts(RANKS) if kind == "cut" else nullcontext() as hosts:
            if "train" in options.works:
                Training(work, hosts, chance).moments(kind, options.moments)
            if "label" in options.works:
                Labelling(work, hosts, chance).moments(kind, options.moments)


def restart_smaller(work, options):
    """--restart-processes: fewer ranks after a failure."""
    chance = random.Random(options.seed)
    print("rank 0 of 3 killed, --max-restarts 1 --restart-processes 2:")
    for part in (Training(work, None, chance), Labelling(work, None, chance)):
        part.disturb_smaller()


class Disturbed:
    """Runs of one work, alike but for what happens to one rank."""

    def __init__(self, work, hosts, chance):
        self.work, self.hosts, self.chance = work, hosts, chance
        self.prepare()

    # The work's own: prepare, words, done_share, forget, settle, disturb_smaller.

    def start(self, words, name, options=(), hosts=None):
        """The launchers of a run, one on each host."""
        if self.hosts is None:
            return [Run(self.work.launched(RANKS, words, *options), self.work.log(name))]
        hosts = list(range(RANKS)) if hosts is None else hosts
        launch = [self.work.mal, "launch", "--nodes", len(hosts), "--processes", 1, *options, "--", *words]
        return [
            Run(self.hosts.command(host, launch), self.work.log(f"{name}-{host}"), {
                "NODE_RANK": str(node), "MASTER_ADDR": self.hosts.address(hosts[0]), "MASTER_PORT": "29511",
                "MAL_RUN_SECRET": SECRET})
            for node, host in enumerate(hosts)]

    def moments(self, kind, count):
        print(f"{self.name}, {kind}, {count} moments:")
        done = attempts = 0
        while done < count:
            attempts += 1
            require(attempts <= 3 * count, "the runs end before their moments; give them more to do")
            # Who labels on a host that was cut off is not waited for, and has nobody to start over with.
            restarts = done % 2 == 0 and not (kind == "cut" and self.name == "label")
            done += self.moment(kind, done, restarts)

    def moment(self, kind, number, restarts):
        """Whether the run still ran when it was disturbed."""
        name = f"{self.name}-{kind}-{number}"
        self.forget(name)
        victim = self.chance.randrange(RANKS)
        runs = self.start(self.words(name), name, ("--max-restarts", 3) if restarts else ())
        try:
            share = self.chance.uniform(0, 0.95)
            while self.done_share(name) < share:
                require(not runs[0].has_ended or runs[0].process.returncode == 0, runs[0].text)
                if any(run.has_ended for run in runs):
                    return 0
                time.sleep(0.01)
            moment = time.monotonic()
            seconds = self.do(kind, victim, runs) and self.until_told(runs, moment, kind, victim)
            if seconds is None:
                return 0
            if kind == "cut" and restarts:
                self.until_over(runs, moment)
                self.hosts.mend(victim)
            # What is left to do takes as long as the machine is busy; the end after a loss does not.
            codes = [run.wait(600) for run in runs]
        finally:
            for run in runs:
                run.end()
            if kind == "cut":
                self.hosts.mend(victim)
        told = "".join(run.text for run in runs)
        end = self.settle(name, kind, victim, codes, told, restarts)
        said = next((line for line in told.splitlines() if line.startswith(REASONS) or "] Error" in line), "")
        print(f"  at {share:4.0%}: rank {victim}; known after {seconds:4.1f} s; {end}\n           {said[:150]}", flush=True)
        return 1

    def do(self, kind, victim, runs):
        """None when the rank has nothing left to do and is gone."""
        if kind == "cut":
            self.hosts.cut(victim)
            return True
        process = runs[0].rank_process(victim)
        if process is None:
            return None
        os.kill(process, signal.SIGKILL if kind == "kill" else signal.SIGSTOP)
        return True

    def until_told(self, runs, moment, kind, victim):
        """Seconds until a line names the rank; None when all ended well before they missed it."""
        names = {"kill": f"rank {victim} was ended by signal 9"}.get(kind)
        limit = self.work.timeout + 10
        while True:
            texts = [run.text for run in runs]
            # A rank that is cut off calls the others lost; it is theirs that counts.
            others = [text for host, text in enumerate(texts) if kind != "cut" or host != victim]
            if any((names and names in text) or self.is_named(text, victim) for text in others):
                return time.monotonic() - moment
            if self.finished in runs[0].text:
                codes = [run.wait(2 * GRACE) for run in runs]
                require(codes[0] == 0, "\n".join(texts))
                return None
            if all(run.has_ended for run in runs):
                if any((names and names in run.text) or self.is_named(run.text, victim) for run in runs):
                    return time.monotonic() - moment
                raise Failure("ended without naming rank " + f"{victim}:\n" + "\n".join(texts))
            require(time.monotonic() - moment < limit, f"rank {victim} not named in {limit} s:\n" + "\n".join(texts))
            time.sleep(0.02)

    @staticmethod
    def is_named(text, victim):
        signs = [f"rank {victim} gave no sign", f"rank {victim} died", f"lost rank {victim} ", f"rank {victim} was ended"]
        lists = [line for line in text.splitlines() if "ranks " in line and "gave no sign" in line]
        return any(sign in text for sign in signs) or any(str(victim) in line.split("gave no")[0] for line in lists)

    def until_over(self, runs, moment):
        """Until every launcher knows that its rank has ended."""
        limit = self.work.timeout + GRACE
        while not all("starting over" in run.text or run.has_ended for run in runs):
            require(time.monotonic() - moment < limit, "not over on all hosts:\n" + "\n".join(run.text for run in runs))
            time.sleep(0.02)


class Training(Disturbed):
    name = "train"
    finished = " steps done"

    def prepare(self):
        self.spec = self.work.spec("failures", EPOCHS, INTERVAL)
        if hasattr(self.work, "whole_training"):
            self.steps = self.count_steps("train-whole")
            return
        run = Run(self.work.launched(RANKS, self.words("train-whole")), self.work.log("train-whole"))
        require(run.wait(600) == 0, run.text)
        self.work.whole_training = True
        self.steps = self.count_steps("train-whole")
        print(f"training without disturbance: {self.steps} steps, {time.monotonic() - run.start:.1f} s with the start")
        run_whole(self.work.launched(2, self.words("train-whole-2", 3)), self.work.log("train-whole-2"))
        self.work.rounding = largest_difference(*map(self.work.run_folder, ("train-whole", "train-whole-2")))
        print(f"2 ranks with batches of 3 instead of 3 with 2: rounding grows to {self.work.rounding:.1g} in the weights")

    def count_steps(self, name):
        file = self.work.run_folder(name) / "metrics.jsonl"
        return file.read_text().count('"loss"') if file.exists() else 0

    def done_share(self, name):
        """After the first step, so that all have met."""
        count = self.count_steps(name)
        return count / self.steps if count > 0 else -1

    def words(self, name, batch=2, *more):
        return self.work.train(self.spec, name, batch, *more)

    def forget(self, name):
        shutil.rmtree(self.work.root / name, ignore_errors=True)

    def settle(self, name, kind, victim, codes, told, restarts):
        folder, whole = self.work.run_folder(name), self.work.run_folder("train-whole")
        saved = checkpoints(folder)
        for checkpoint in saved:
            for file in ("student.safetensors", "teacher.safetensors", "optimizer.safetensors"):
                same = digest(folder / checkpoint / file) == digest(whole / checkpoint / file)
                require(same, f"{name}: {checkpoint}/{file} is not that of the run without disturbance")
        if restarts:
            require(all(code == 0 for code in codes), f"{name}: exit codes {codes}\n{told}")
            self.require_same(folder, whole, name)
            return f"started over; {len(saved)} checkpoints and final weights as without"
        require(all(code != 0 for code in codes), f"{name}: exit codes {codes}\n{told}")
        # Two ranks with 3 are three with 2, but for the order of sums.
        words = self.words(name, 3, *(["--resume"] if saved else []))
        if self.hosts:
            left = [host for host in range(RANKS) if host != victim]
            runs = self.start(words, name + "-again", hosts=left)
            for run in runs:
                require(run.wait(300) == 0, run.text)
        else:
            run_whole(self.work.launched(2, words), self.work.log(name + "-again"))
        worst = largest_difference(folder, whole)
        require(worst < 5 * self.work.rounding, f"{name}: weights differ by {worst:.2g}")
        steps = [line["step"] for line in metrics(folder) if "loss" in line]
        require(steps == list(range(1, len(steps) + 1)), f"{name}: steps {steps}")
        return f"{len(saved)} checkpoints, all as without; then 2 ranks: weights within {worst:.0e}"

    def require_same(self, folder, whole, name):
        require(weights_digest(folder) == weights_digest(whole), f"{name}: other weights")
        a, b = ([line for line in metrics(run) if "loss" in line] for run in (folder, whole))
        require(a == b, f"{name}: other metrics")

    def disturb_smaller(self):
        name = "train-smaller"
        run = Run(
            self.work.launched(RANKS, self.words(name), "--max-restarts", 1, "--restart-processes", 2), self.work.log(name))
        while self.done_share(name) < 0.4:
            require(not run.has_ended, run.text)
            time.sleep(0.01)
        os.kill(run.rank_process(0), signal.SIGKILL)
        require(run.wait(300) == 0, run.text)
        require("starting over with 2 processes" in run.text, run.text)
        folder = self.work.run_folder(name)
        lines = [line for line in metrics(folder) if "loss" in line]
        require([line["step"] for line in lines] == list(range(1, len(lines) + 1)), "steps are missing")
        print(f"  training: {len(lines)} steps to the end of all {EPOCHS} epochs, {len(checkpoints(folder))} checkpoints whole")


class Labelling(Disturbed):
    name = "label"
    finished = " boxes have a mask"

    def prepare(self):
        if hasattr(self.work, "whole_labelling"):
            return
        run = Run(self.work.launched(RANKS, self.words("label-whole")), self.work.log("label-whole"))
        self.work.whole_labelling = 1
        while not run.has_ended:
            self.work.whole_labelling = max(self.work.whole_labelling, self.journal_bytes("label-whole"))
            time.sleep(0.01)
        require(run.wait(600) == 0, run.text)
        print(f"labelling without disturbance: {time.monotonic() - run.start:.1f} s with the start")

    def journal_bytes(self, name):
        total = 0
        for path in self.work.root.glob(f"{name}.json.rank-*.journal"):
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                pass
        return total

    def done_share(self, name):
        """After all ranks have a journal."""
        count = len(list(self.work.root.glob(f"{name}.json.rank-*.journal")))
        return self.journal_bytes(name) / self.work.whole_labelling if count == RANKS else -1

    def words(self, name):
        return self.work.label(name)

    def forget(self, name):
        for path in self.work.root.glob(f"{name}.json*"):
            path.unlink()

    def settle(self, name, kind, victim, codes, told, restarts):
        again = ""
        if kind == "cut":
            # Whoever has rank 0 goes on alone.
            require(codes[0] == 0, f"{name}: exit codes {codes}\n{told}")
        elif victim != 0 or restarts:
            require(codes == [0], f"{name}: exit codes {codes}\n{told}")
            again = "started over; " if "starting over" in told else ""
        else:
            require(codes == [1], f"{name}: exit codes {codes}\n{told}")
            run_whole(self.work.launched(2, self.words(name)), self.work.log(name + "-again"))
            again = "then 2 ranks; "
        self.require_same(name)
        return again + "the same file"

    def require_same(self, name):
        require(self.work.masks(name) == self.work.masks("label-whole"), f"{name}: other masks")
        left = list(self.work.root.glob(f"{name}.json.rank-*"))
        require(not left, f"{name}: left behind {left}")

    def disturb_smaller(self):
        name = "label-smaller"
        run = Run(
            self.work.launched(RANKS, self.words(name), "--max-restarts", 1, "--restart-processes", 2), self.work.log(name))
        while self.done_share(name) < 0.4:
            require(not run.has_ended, run.text)
            time.sleep(0.01)
        os.kill(run.rank_process(0), signal.SIGKILL)
        require(run.wait(300) == 0, run.text)
        require("starting over with 2 processes" in run.text, run.text)
        self.require_same(name)
        print("  labelling: the same file")
