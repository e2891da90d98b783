#!/usr/bin/env bash
# Runs `mal` on a list of broken and hostile inputs and says what each prints. Fails if one traps, hangs, takes too much
# memory, runs something, writes outside its output folder, or is taken without an error where one is due.
#   hostile-inputs.sh [--only WORD] [--keep FOLDER] [--markdown] [--list]
#   MAL=.build/release/mal   CHECKPOINT=Models/*.safetensors   ARCH=vit-dinov2-small/14   CROP=224
# Needs python3, its standard library only.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
MAL=${MAL:-$here/../.build/release/mal} exec python3 -B "$here/hostile/run.py" "$@"
