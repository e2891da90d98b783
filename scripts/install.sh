#!/usr/bin/env bash
# install.sh PREFIX: PREFIX/bin/mal, PREFIX/lib/mal (libtorch and all other libraries but glibc's), PREFIX/share/mal/Models,
# manual page and completions. The target needs glibc as new as this machine's and nothing else. uninstall.sh takes it away.
#   SYSROOT=FOLDER   a folder of sysroot.sh: for that system, with its libraries, instead of this machine's
set -euo pipefail
cd "$(dirname "$0")/.."

prefix=${1:?usage: install.sh PREFIX}
torch=${TORCH_DIR:-.deps/torch}
scratch=.build-install # the static runtime gets a build folder of its own, so that `make build` stays warm
sdk=()
sysroot=${SYSROOT:+$(cd "$SYSROOT" && pwd)}
if [ -n "$sysroot" ]; then
    scratch=.build-dist
    sdk=(--swift-sdks-path "$sysroot" --swift-sdk sysroot)
fi
mkdir -p "$prefix"
prefix=$(cd "$prefix" && pwd)
[ -w "$prefix" ] || { echo "install: $prefix is not writable" >&2; exit 1; }

# The run path is then the installed folders' alone, and serves the libraries' own libraries too.
MAL_INSTALL=1 "${SWIFT:-swift}" build -c release "${sdk[@]}" --static-swift-stdlib --scratch-path "$scratch" --product mal
binary=$(readlink -f "$scratch/release/mal")

# What the loader takes from libtorch's folder, for the binary and for the CUDA half that it opens itself.
torch_lib=$(readlink -f "$torch/lib")
found() { # where the run path doesn't lead before all is installed
    if [ -n "$sysroot" ]; then
        "$sysroot"/root/lib64/ld-linux-*.so.* --library-path "$torch_lib:$(echo "$sysroot"/root/usr/lib/*-linux-gnu)" --list "$1"
    else
        LD_LIBRARY_PATH=$torch_lib ldd "$1"
    fi
}
needed() { found "$1" | awk '{ print $3 }' | while read -r path; do readlink -f "$path" || true; done |
    grep "^$torch_lib/" || true; }
libraries=$(needed "$binary")
if [ -e "$torch_lib/libtorch_cuda.so" ]; then
    libraries+=$'\n'$torch_lib/libtorch_cuda.so$'\n'$(needed "$torch_lib/libtorch_cuda.so")
    # Opened by name when a kernel is compiled at run time.
    if [ -e "$torch_lib/libcaffe2_nvrtc.so" ]; then libraries+=$'\n'$torch_lib/libcaffe2_nvrtc.so; fi
fi

# All others, but for glibc's own, which belong to the target's kernel and loader. Of a wheel come whole folders, below.
wheel=$(readlink -f "$torch/..")
others=$(found "$binary" | awk '$3 ~ /^\// { print $1, $3 }' | while read -r name path; do
    case $name in /* | lib[cm].so.* | libmvec.so.* | libdl.so.* | libpthread.so.* | librt.so.* | libresolv.so.* | libutil.so.*) continue ;; esac
    case $(readlink -f "$path") in "$wheel"/* | "$torch_lib"/*) ;; *) echo "$name $path" ;; esac
done)

target=$prefix/lib/mal
rm -rf "$target.new"
mkdir -p "$target.new/torch/lib" "$target.new/lib" "$prefix/bin" "$prefix/share/mal"
sort -u <<<"$libraries" | while read -r library; do
    [ -z "$library" ] || install -m 644 "$library" "$target.new/torch/lib/"
done
while read -r name path; do
    [ -z "$name" ] || install -m 644 "$(readlink -f "$path")" "$target.new/lib/$name"
done <<<"$others"
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
# The licences of the system's libraries that came along, as Debian has them.
rm -rf "$prefix/share/mal/licences"
mkdir -p "$prefix/share/mal/licences"
while read -r _ path; do
    path=$(readlink -f "${path:-/}")
    path=${path#"${sysroot:+$sysroot/root}"}
    if [ -n "$sysroot" ]; then
        package=$(awk -v a="$path" -v b="${path#/usr}" '$2 == a || $2 == b { print $1; exit }' "$sysroot/files")
    else
        package=$(dpkg-query -S "$path" "${path#/usr}" 2>/dev/null | head -n 1 | cut -d : -f 1) || true
    fi
    copyright=${sysroot:+$sysroot/root}/usr/share/doc/$package/copyright
    if [ -e "$copyright" ]; then install -m 644 "$copyright" "$prefix/share/mal/licences/$package"; fi
done <<<"$others"
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
mkdir -p "$prefix/share/man/man1"
"$prefix/bin/mal" --experimental-dump-help | python3 scripts/man_page.py >"$prefix/share/man/man1/mal.1"

ldd "$prefix/bin/mal" | grep -q "not found" && { ldd "$prefix/bin/mal" >&2; exit 1; }
echo "installed: $prefix/bin/mal ($(du -sh "$target" | cut -f1) of libraries in $target)"
