#!/usr/bin/env bash
# Runs the benchmarks: speed beside PyTorch, how far that is from the processor's limit, the work
# beside the network, memory as the boxes grow, average precision beside pycocotools.
#
#   Benchmarks/run.sh [speed] [limit] [data] [memory] [evaluation] [--quick] [--no-compile]
#                     [--threads N] [--rounds N] [--arch tiny]
#
# PYTHON is a Python that can import torch (default python3); without one mal is measured alone.
# All must be built: `make bench` does that first.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

command -v "$PYTHON" >/dev/null || {
    echo "$PYTHON is not there: install Python 3, or name one with PYTHON=" >&2
    exit 1
}
[ -x .build/release/bench ] || {
    echo "the benchmarks are not built: run 'make bench', or 'make build' first" >&2
    exit 1
}
exec "$PYTHON" -u Benchmarks/report.py \
    --bench .build/release/bench --mal .build/release/mal --python "$PYTHON" "$@"
