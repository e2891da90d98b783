#!/usr/bin/env bash
# Reads mutated inputs with every reader (RLE, polygons, COCO JSON, .pth, safetensors, images, specs) under the address sanitizer and, for C
# and C++, the undefined behaviour sanitizer. Prints a line a reader and fails on a finding: a sanitizer report, a trap, a wrong answer, over 5 s
# of processor time or over 256 MB of heap for an input. CI runs it with COUNT=2000; all takes minutes more.
#   fuzz.sh [READER ...]      all by default
#   COUNT=100000   inputs a reader      SEED=1      FINDINGS=folder for inputs and logs of findings
# One input again: .build-fuzz/release/fuzz reproduce READER FILE --index N   (run from the repository, with N from the file's name)
set -euo pipefail
cd "$(dirname "$0")/.."

MAL_FUZZ=1 nice swift build -c release --product fuzz --scratch-path .build-fuzz --sanitize=address \
    -Xcc -fsanitize=undefined -Xcc -fno-sanitize=vptr,function >&2

memory=/dev/shm
[ -w $memory ] || memory=${TMPDIR:-/tmp}
scratch=$(mktemp -d "$memory/mal-fuzz.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

symbolizer=$(dirname "$(readlink -f "$(command -v swift)")")/llvm-symbolizer
if [ -x "$symbolizer" ]; then export ASAN_SYMBOLIZER_PATH=$symbolizer; fi
export ASAN_OPTIONS=exitcode=86:detect_leaks=0:quarantine_size_mb=16:max_allocation_size_mb=1024:detect_container_overflow=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
# Foundation loses 72 bytes for an XML document that is wrong; nothing of ours can free them.
echo leak:_CFErrorCreateFromXMLInterface > "$scratch.leaks"
trap 'rm -rf "$scratch" "$scratch.leaks"' EXIT
export LSAN_OPTIONS=suppressions=$scratch.leaks:print_suppressions=0
export SWIFT_BACKTRACE=enable=no

nice .build-fuzz/release/fuzz check --root "$PWD" --scratch "$scratch"
nice .build-fuzz/release/fuzz run "$@" --count "${COUNT:-100000}" --seed "${SEED:-1}" --root "$PWD" --scratch "$scratch" \
    --findings "${FINDINGS:-.build-fuzz/findings}"
