#!/usr/bin/env bash
# Reads the C and C++ parts that see bytes from outside with the static analyzer of Swift's own clang, and the kernels. Fails on a
# finding. Needs nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."

compiler=$(dirname "$(readlink -f "$(command -v swift)")")/clang
analyze() { # flags and a file
    "$compiler" --analyze --analyzer-output text -Xclang -analyzer-werror -ISources/CImaging/include \
        -ISources/CKernels/include -ISources/CJSON/include -o /dev/null "$@"
}

# Not color.c: there the analyzer takes arrays for unset that a loop over all of their elements has filled.
for file in Sources/CImaging/*.c Sources/CKernels/*.c; do
    [ "${file##*/}" = color.c ] || analyze -std=c17 "$file"
done
analyze -std=c17 -DCI_TIFF_OPTIONS=0 Sources/CImaging/tiff_source.c
for file in Sources/CJSON/*.cpp; do analyze -std=c++20 "$file"; done
