#!/usr/bin/env bash
# dependent.sh FOLDER: makes a package in FOLDER (new) that depends on a git tag of this one by version, builds it, and lets it
# label a photograph that it holds in memory. Its sources are those that docs/library.md shows.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:?usage: dependent.sh FOLDER}
mkdir "$folder"
folder=$(cd "$folder" && pwd)
root=$PWD

# A tag of what is here, in a copy: the user's tags stay as they are.
copy=$folder/mask-auto-labeler
if git rev-parse --git-dir >/dev/null 2>&1; then
    git clone -q --no-hardlinks . "$copy"
else
    mkdir "$copy"
    tar -c --exclude=./.build* --exclude=./.deps . | tar -x -C "$copy"
    git -C "$copy" init -q
    git -C "$copy" add -A
    git -C "$copy" -c user.name=mal -c user.email=mal@localhost commit -qm "What is here"
fi
git -C "$copy" tag -f 0.1.0 >/dev/null
scripts/install-libtorch.sh "$folder/prefix"

# The blocks of the page that begin with a comment with a file's name.
mkdir -p "$folder/masks/Sources/masks"
awk -v folder="$folder/masks/" '
    /^```/ { inside = !inside; file = ""; first = inside; next }
    inside && first { first = 0; if (match($0, /^\/\/ (Package|Sources\/masks\/main)\.swift/)) file = folder substr($2, 1); next }
    inside && file != "" { print > file }' docs/library.md
sed -i "s|https://github.com/.*/mask-auto-labeler.git|file://$copy|" "$folder/masks/Package.swift"

cd "$folder/masks"
export PKG_CONFIG_PATH=$folder/prefix/lib/pkgconfig
"${SWIFT:-swift}" build -c release
env -u LD_LIBRARY_PATH .build/release/masks "$root/Demo/images/$(ls "$root/Demo/images" | head -n 1)"
