#!/usr/bin/env bash
# Builds the benchmarks and runs them: speed beside PyTorch, the work beside the network, memory as the
# boxes grow.
#
#   Benchmarks/run.sh [speed] [data] [memory] [--threads N] [--rounds N] [--arch tiny]
#
# PYTHON is a Python that can import torch (default python3); without one mal is measured alone.
# `mal` itself must be built: `make bench` does that first.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

command -v "$PYTHON" >/dev/null || {
    echo "$PYTHON is not there: install Python 3, or name one with PYTHON=" >&2
    exit 1
}
[ -x .build/release/mal ] || {
    echo "mal is not built: run 'make bench', or 'make build' first" >&2
    exit 1
}
# A plan that is kept misses files that are new in a package named by its path.
rm -f .build-bench/release.yaml
swift build -c release --package-path Benchmarks --scratch-path .build-bench --product bench
exec "$PYTHON" -u Benchmarks/report.py \
    --bench .build-bench/release/bench --mal .build/release/mal --python "$PYTHON" "$@"
