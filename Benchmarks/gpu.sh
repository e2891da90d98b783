#!/usr/bin/env bash
# Measures every GPU goal beside PyTorch in one run and keeps the numbers in Benchmarks/results/gpu-DATE.json.
#
#   Benchmarks/gpu.sh                        on a GPU, under 8 minutes; --thorough: half an hour
#   Benchmarks/gpu.sh --quick                few steps and boxes
#   Benchmarks/gpu.sh --device cpu --quick   everything once on a small network: a test of this script itself
#   Benchmarks/gpu.sh --only train --only meanfield
#
# PYTHON is a Python with a CUDA build of torch, numpy and Pillow (default python3); BENCH and MAL are the built
# programs (default .build/release). `TORCH_VARIANT=cuda make build` builds both.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
BENCH=${BENCH:-.build/release/bench}
MAL=${MAL:-.build/release/mal}

for program in "$BENCH" "$MAL"; do
    [ -x "$program" ] || { echo "$program is not there: run 'TORCH_VARIANT=cuda make build' first" >&2; exit 1; }
done
"$PYTHON" -c 'import torch, numpy, PIL' || { echo "name a Python with torch, numpy and Pillow: PYTHON=…" >&2; exit 1; }
exec "$PYTHON" -u Benchmarks/gpu.py --bench "$BENCH" --mal "$MAL" --python "$PYTHON" "$@"
