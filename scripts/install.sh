#!/usr/bin/env bash
# install.sh PREFIX: PREFIX/bin/mal, PREFIX/lib/mal (libtorch), PREFIX/share/mal/Models. Nothing of Swift is needed there.
set -euo pipefail
cd "$(dirname "$0")/.."

prefix=${1:?usage: install.sh PREFIX}
torch=${TORCH_DIR:-.deps/torch}
scratch=.build-install # the static runtime gets a build folder of its own, so that `make build` stays warm
mkdir -p "$prefix"
prefix=$(cd "$prefix" && pwd)
[ -w "$prefix" ] || { echo "install: $prefix is not writable" >&2; exit 1; }

"${SWIFT:-swift}" build -c release --static-swift-stdlib --scratch-path "$scratch" --product mal
binary=$(readlink -f "$scratch/release/mal")

# What the loader takes from libtorch's folder, for the binary and for the CUDA half that it opens itself.
torch_lib=$(readlink -f "$torch/lib")
needed() { ldd "$1" | awk '{ print $3 }' | while read -r path; do readlink -f "$path" || true; done |
    grep "^$torch_lib/" || true; }
libraries=$(needed "$binary")
if [ -e "$torch_lib/libtorch_cuda.so" ]; then
    libraries+=$'\n'$torch_lib/libtorch_cuda.so$'\n'$(needed "$torch_lib/libtorch_cuda.so")
    # Opened by name when a kernel is compiled at run time.
    if [ -e "$torch_lib/libcaffe2_nvrtc.so" ]; then libraries+=$'\n'$torch_lib/libcaffe2_nvrtc.so; fi
fi

target=$prefix/lib/mal
rm -rf "$target.new"
mkdir -p "$target.new/torch/lib" "$prefix/bin" "$prefix/share/mal"
sort -u <<<"$libraries" | while read -r library; do
    [ -z "$library" ] || install -m 644 "$library" "$target.new/torch/lib/"
done
for folder in nvidia torch.libs; do # where the wheels' own run paths look
    if [ -d "$torch/../$folder" ]; then cp -rL "$torch/../$folder" "$target.new/"; fi
done
rm -rf "$target"
mv "$target.new" "$target"

if [ -d Models ]; then
    mkdir -p "$prefix/share/mal/Models"
    cp -rL Models/. "$prefix/share/mal/Models/"
fi
install -m 644 LICENSE NOTICE "$prefix/share/mal/"
install -m 755 "$binary" "$prefix/bin/mal.new"
if command -v strip >/dev/null; then strip "$prefix/bin/mal.new"; fi
mv "$prefix/bin/mal.new" "$prefix/bin/mal"

complete() { # SHELL FILE
    mkdir -p "$(dirname "$prefix/share/$2")"
    "$prefix/bin/mal" --generate-completion-script "$1" >"$prefix/share/$2"
}
complete bash bash-completion/completions/mal
complete zsh zsh/site-functions/_mal
complete fish fish/vendor_completions.d/mal.fish

ldd "$prefix/bin/mal" | grep -q "not found" && { ldd "$prefix/bin/mal" >&2; exit 1; }
echo "installed: $prefix/bin/mal ($(du -sh "$target" | cut -f1) of libtorch in $target)"
