#!/usr/bin/env bash
# dist.sh [FOLDER]: one archive in FOLDER (dist) with mal, all its libraries, models, manual page, completions and licences. Unpack it
# anywhere on a Linux with glibc 2.31 or later, and run bin/mal: it is built for Debian 11, with Debian 11's libraries
# (sysroot.sh). dist-smoke.sh tries it in bare systems.
#   BASE=here   for this machine's glibc or later, with this machine's libraries
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p "${1:-dist}"
folder=$(cd "${1:-dist}" && pwd)
work=$(mktemp -d "$folder/.dist.XXXXXX")
trap 'rm -rf "$work"' EXIT

case ${BASE:=debian11} in
debian11)
    export SYSROOT=.build-sysroot
    [ -e "$SYSROOT/files" ] || scripts/sysroot.sh "$SYSROOT" >"$work/log" || { tail -n 5 "$work/log" >&2; exit 1; }
    ;;
here) ;;
*) echo "dist: BASE must be debian11 or here, is $BASE" >&2; exit 64 ;;
esac
scripts/install.sh "$work/tree"
version=$("$work/tree/bin/mal" --version | sed -n 's/^mal //p')
glibc=$(find "$work/tree" -name '*.so*' -type f -o -path '*/bin/mal' | xargs objdump -T 2>/dev/null |
    grep -o 'GLIBC_2\.[0-9]*' | sort -uV | tail -n 1)
name=mal-$version-linux-$(uname -m)
mv "$work/tree" "$work/$name"
cat >"$work/$name/README" <<EOF
mal $version, the Mask Auto-Labeler. It needs ${glibc/_/ } or later and nothing else:

    bin/mal label PHOTOGRAPHS --boxes BOXES.json --out MASKS.json
    bin/mal --help
    man share/man/man1/mal.1

Licences: share/mal/LICENSE, share/mal/NOTICE, share/mal/licences.
EOF
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner -czf "$work/archive" "$name"
mv "$work/archive" "$folder/$name.tar.gz"
echo "dist: $folder/$name.tar.gz ($(du -h "$folder/$name.tar.gz" | cut -f1), unpacked $(du -sh "$work/$name" | cut -f1); needs ${glibc/_/ })"
