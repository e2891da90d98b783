#!/usr/bin/env python3
"""ONNX Runtime or OpenVINO with a file of `mal export`, one run for each line of standard input.

A run is the network from pixels to logits. `bench infer` and `pytorch_baseline.py infer` also resample the logits
to the crop and compare them with a threshold, which is not asked of the rivals.

    rival.py onnxruntime model.onnx --crop 512 --batch 4 --threads 2
"""
import argparse
import json
import resource
import statistics
import sys
import time

import numpy as np

SIDES = (24, 64, 200, 200)  # of the boxes, as in pytorch_baseline.py


def with_onnxruntime(path, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(["logits"], inputs), onnxruntime.__version__


def with_openvino(path, threads):
    import openvino
    model = openvino.Core().compile_model(path, "CPU", {
        "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"})
    return model, openvino.__version__


RUNTIMES = {"onnxruntime": with_onnxruntime, "openvino": with_openvino}


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("runtime", choices=RUNTIMES)
    a.add_argument("model")
    a.add_argument("--crop", type=int, required=True)
    a.add_argument("--batch", type=int, required=True)
    a.add_argument("--threads", type=int, required=True)
    o = a.parse_args()
    run, version = RUNTIMES[o.runtime](o.model, o.threads)
    pixels = np.random.default_rng(0).uniform(0, 255, (o.batch, 3, o.crop, o.crop)).astype(np.float32)
    areas = np.array([SIDES[k % 4] ** 2 for k in range(o.batch)], np.float32)
    times = []
    for _ in sys.stdin:
        start = time.perf_counter()
        run({"image": pixels, "area": areas})
        times.append(time.perf_counter() - start)
        print(times[-1], flush=True)
    print(json.dumps({
        "torch": f"{o.runtime} {version}", "seconds_per_step": statistics.median(times),
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}))


if __name__ == "__main__":
    main()
