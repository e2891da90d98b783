"""pytorch_baseline.py, one step for each line of standard input (`bench --paced` does the same)."""
import statistics
import sys
import time

import pytorch_baseline as baseline

plain = baseline.timed


def paced(fn, n, device, warm=3):
    times = []
    for _ in sys.stdin:
        start = time.perf_counter()
        fn()
        if device == "cuda":
            baseline.torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
        print(times[-1], flush=True)
    baseline.timed = plain  # what follows (the parts of a step) is not paced
    return statistics.median(times[warm:] or [float("inf")])


baseline.timed = paced
baseline.main()
