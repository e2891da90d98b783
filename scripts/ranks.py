#!/usr/bin/env python3
"""Checks and measures runs of several processes of `mal` on this machine (docs/scale-out.md).

equal     1, 2, 3 and 4 processes, 2 hosts and torchrun give what one process gives
failures  one of 3 ranks is killed, stopped or cut off at random moments of training and of labelling
restart   --max-restarts with --restart-processes
strangers the store is attacked from other addresses and from another host
tables    all-reduce and step times of 1 to 4 processes
memory    what each rank keeps with ddp and zero1

Needs numpy. Hosts are network namespaces: root and iproute2. Everything else is on the loopback address.
"""
import argparse
import os
import shutil
import sys
import time

sys.dont_write_bytecode = True

from ranklib import equality, failures, strangers, tables
from ranklib.runs import Failure
from ranklib.work import Work

CHECKS = {
    "equal": equality.check,
    "failures": failures.check,
    "restart": failures.restart_smaller,
    "strangers": strangers.check,
    "tables": tables.speed,
    "memory": tables.memory,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checks", nargs="+", choices=CHECKS, metavar="CHECK", help=", ".join(CHECKS))
    parser.add_argument("--mal", default=".build/release/mal", help="the executable (%(default)s)")
    parser.add_argument("--bench", default=".build/release/bench", help="for tables: the benchmarks (%(default)s)")
    parser.add_argument("--work", default="/tmp/mal-ranks", help="folder for data, runs and logs, emptied first (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of data and random moments (%(default)s)")
    parser.add_argument("--timeout", type=int, default=3, help="rank_timeout in seconds (%(default)s)")
    parser.add_argument("--images", type=int, default=120, help="images to label, of 10 boxes each (%(default)s)")
    parser.add_argument("--moments", type=int, default=10, help="failures: of each kind and work (%(default)s)")
    parser.add_argument("--kinds", default="kill,stop,cut", help="failures: which (%(default)s)")
    parser.add_argument("--works", default="train,label", help="failures: of which work (%(default)s)")
    parser.add_argument("--archs", default="vit-tiny/16,vit-base/16", help="tables: networks (%(default)s)")
    parser.add_argument("--memory-archs", default="vit-large/16,vit-huge/14", help="memory: networks (%(default)s)")
    parser.add_argument("--no-hosts", dest="hosts", action="store_false", help="leave out what needs namespaces")
    parser.add_argument("--torchrun", help="equal: its path (default: the one in PATH, if there is one)")
    options = parser.parse_args()
    if options.hosts and (os.geteuid() != 0 or shutil.which("ip") is None):
        print("no namespaces without root and iproute2: those checks are left out", file=sys.stderr)
        options.hosts = False
    start = time.monotonic()
    try:
        work = Work(options)
        for name in options.checks:
            CHECKS[name](work, options)
    except Failure as failure:
        print(f"ranks: {failure}\nlogs: {options.work}", file=sys.stderr)
        return 1
    print(f"all as it should be ({time.monotonic() - start:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
