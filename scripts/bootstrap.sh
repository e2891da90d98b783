#!/usr/bin/env bash
# Makes ready what the package needs beside Swift: system libraries, and libtorch's headers and libraries in .deps/torch.
# Runs again at no cost; whatever is missing or broken is fetched again.
#   TORCH_VERSION=2.13.0   TORCH_VARIANT=cpu|cuda   TORCH_DIR=folder of another libtorch (nothing is fetched then)
#   DEPS=.deps   where it goes; another place is built against with TORCH_DIR=$DEPS/torch
# cpu unless cuda was chosen before.
# Wheels come through pip, from the index or folder that pip is configured for: for cpu the +cpu wheel where it is offered,
# else the plain one, of which only the CPU's part stays.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
version=${TORCH_VERSION:-2.13.0}
machine=$(uname -m)
deps=${DEPS:-$root/.deps}
complete=$deps/torch/.complete
# Once chosen, a variant stays until another one is named.
variant=${TORCH_VARIANT:-$(sed -n '1s/^libtorch [^ ]* \(cpu\|cuda\) .*/\1/p' "$complete" 2>/dev/null || true)}
variant=${variant:-cpu}
header="libtorch $version $variant $machine"

say() { echo "bootstrap: $*" >&2; }
fail() { say "$@"; exit 1; }

case $variant in cpu | cuda) ;; *) fail "TORCH_VARIANT must be cpu or cuda, is $variant" ;; esac
[[ $version =~ ^[0-9]+(\.[0-9]+)+[a-z0-9.]*$ ]] || fail "TORCH_VERSION must be like 2.13.0, is $version"
[ "$(uname -s)" = Linux ] || fail "only Linux is supported, this is $(uname -s)"
swift_wanted=$(sed -n 's|^// swift-tools-version: *||p' "$root/Package.swift")
install="install Swift $swift_wanted or later (swift.org/install) and run again"
command -v swift >/dev/null || fail "no swift in PATH; $install"

# The wheel's own list of names and sizes, compared with what lies on the disk.
torch_is_whole() {
    [ -f "$complete" ] && [ "$(head -n 1 "$complete")" = "$header" ] || return 1
    local folders=() folder
    for folder in torch torch.libs nvidia; do
        if [ -d "$deps/$folder" ]; then folders+=("$folder"); fi
    done
    [ -z "$(cd "$deps" && LC_ALL=C comm -23 <(tail -n +2 "$complete" | LC_ALL=C sort) \
        <(find "${folders[@]}" -type f -printf '%s %p\n' | LC_ALL=C sort))" ]
}

need_torch=
if [ -n "${TORCH_DIR:-}" ]; then
    for file in lib/libtorch_cpu.so lib/libc10.so include/torch; do
        [ -e "$TORCH_DIR/$file" ] || fail "TORCH_DIR is $TORCH_DIR, which has no $file"
    done
elif ! torch_is_whole; then
    need_torch=yes
fi

# System libraries: one look of the preprocessor at all headers.
swift_bin=$(dirname "$(readlink -f "$(command -v swift)")")
compiler=$swift_bin/clang
[ -x "$compiler" ] || compiler=$(command -v clang || command -v cc || true)
packages=()
if [ -z "$compiler" ]; then
    packages+=(gcc g++ libjpeg-dev libpng-dev libwebp-dev libtiff-dev libsimdjson-dev libxml2-dev zlib1g-dev libsqlite3-dev)
else
    while read -r package; do packages+=("$package"); done < <(
        while read -r name package; do
            printf '#if !__has_include(<%s>)\nmissing %s\n#endif\n' "$name" "$package"
        done <<'LIST' | "$compiler" -x c++ -E -P - | sed -n 's/^missing //p' | tr -d ' ' | LC_ALL=C sort -u
vector g++
jpeglib.h libjpeg-dev
png.h libpng-dev
webp/decode.h libwebp-dev
tiffio.h libtiff-dev
zlib.h zlib1g-dev
simdjson.h libsimdjson-dev
sqlite3.h libsqlite3-dev
libxml2/libxml/xmlversion.h libxml2-dev
LIST
    )
fi
for tool in swift-frontend swift-package; do # what Swift's own installation asks for
    [ -x "$swift_bin/$tool" ] || continue
    if ldd "$swift_bin/$tool" | grep -q "not found"; then
        packages+=(binutils libcurl4-openssl-dev libedit-dev libncurses-dev libpython3-dev libsqlite3-dev libxml2-dev
            libz3-dev pkg-config tzdata zlib1g-dev)
        break
    fi
done
command -v make >/dev/null || packages+=(make)
command -v git >/dev/null || packages+=(git)
if [ -n "$need_torch" ]; then
    python3 -m pip --version >/dev/null 2>&1 || packages+=(python3 python3-pip)
    [ -e /etc/ssl/certs/ca-certificates.crt ] || packages+=(ca-certificates)
fi

if [ ${#packages[@]} -gt 0 ]; then
    command="apt-get update && apt-get install -y --no-install-recommends ${packages[*]}"
    if ! command -v apt-get >/dev/null; then
        fail "missing, by their Debian names: ${packages[*]}. Install them and run again"
    elif [ "$(id -u)" = 0 ]; then
        sudo=(env)
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo=(sudo -n env)
    else
        say "missing: ${packages[*]}. Run this and start again:"
        echo "sudo sh -c '$command'" >&2
        exit 1
    fi
    say "installing ${packages[*]}"
    "${sudo[@]}" DEBIAN_FRONTEND=noninteractive sh -c "{ $command; } >/dev/null" ||
        fail "this failed: $command"
fi

# Only now, because Swift may have lacked its own libraries.
swift_found=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' | head -n 1)
[ "$(printf '%s\n' "$swift_wanted" "${swift_found:-0}" | sort -V | head -n 1)" = "$swift_wanted" ] ||
    fail "swift is ${swift_found:-of an unknown version}; $install"

[ -n "$need_torch" ] || exit 0

mkdir -p "$deps"
exec 9>"$deps/.lock"
flock 9
if torch_is_whole; then exit 0; fi # another run has just done it

partial=$deps/.partial
rm -rf "$partial"
mkdir -p "$partial/wheels"
trap 'rm -rf "$partial"' EXIT

platforms=(--platform "linux_$machine" --platform "manylinux2014_$machine")
for minor in {28..17}; do platforms+=(--platform "manylinux_2_${minor}_$machine"); done

# One Python's wheels serve all: nothing of what we take out of them belongs to a Python version. pip tells sizes and
# progress on its standard output; of its errors only those about the network are shown at once.
download() { # python-version specifier...
    local python=$1
    shift
    rm -f "$partial/log"
    TMPDIR=$partial python3 -m pip download --no-cache-dir --disable-pip-version-check --only-binary=:all: \
        --python-version "$python" --implementation cp --abi "cp${python/./}" --abi abi3 --abi none \
        "${platforms[@]}" --dest "$partial/wheels" --log "$partial/log" "$@" 3>&2 2>&1 1>&3 3>&- |
        tee "$partial/errors" | sed -nu 's/^WARNING: Retrying .* after connection broken by /bootstrap: trying again: /p' >&2
}
# What pip found no answer at; a page that is not there is an answer.
unanswered() {
    sed -n '/: 404 /d; s/^.*Could not fetch URL \(.*\) - skipping.*$/\1/p' "$partial/log" | head -n 1
}
download_torch() { # specifier ; 1: there is none, whose reason is in $partial/errors
    for python in 3.11 3.12 3.13 3.10; do
        if download "$python" --no-deps "$1"; then return 0; fi
        grep -q "No matching distribution" "$partial/errors" || fail "pip failed: $(tail -n 3 "$partial/errors")"
        if [ -n "$(unanswered)" ] && ! grep -q "from versions: [0-9]" "$partial/errors"; then
            say "the package index does not answer. pip could not fetch $(unanswered)"
            fail "Look at the network and at what \`pip config list\` says, and run again"
        fi
    done
    return 1
}
unpack() { python3 "$root/scripts/unpack_wheels.py" "$@"; }

say "fetching libtorch $version ($variant) into ${deps#"$root/"}; pip says the sizes"
# "===" is exact: with "==" a local +cpu wheel would answer for the plain one.
if [ "$variant" = cpu ] && download_torch "torch===$version+cpu"; then
    : # about a third of the plain wheel, which has CUDA too
elif ! download_torch "torch===$version"; then
    say "pip finds no torch $version for $machine where it looks: $(grep -m 1 -o '(from versions.*' "$partial/errors" || true)"
    cat >&2 <<HELP
Name a place that has it:
  PIP_INDEX_URL=ADDRESS make build          a package index, or PIP_EXTRA_INDEX_URL for one more
  PIP_FIND_LINKS=FOLDER make build          a folder with torch-$version-*-$machine.whl or torch-$version+cpu-*-$machine.whl
HELP
    exit 1
fi
mapfile -t requirements < <(unpack --requirements "$variant" "$partial/wheels")
if [ ${#requirements[@]} -gt 0 ]; then
    say "fetching what it needs of CUDA: ${requirements[*]}"
    download "$python" "${requirements[@]}" || fail "pip failed: $(tail -n 3 "$partial/errors")"
elif [ "$variant" = cuda ]; then
    fail "the wheel of torch $version has no CUDA"
fi

say "unpacking"
unpack "$variant" "$partial/wheels" "$partial/tree" "$header" "$partial/manifest" || fail "a wheel is broken; run again"
missing=$(ldd "$partial/tree/torch/lib/libtorch_cpu.so" | sed -n 's/ => not found.*//p' | tr -d '\t' | tr '\n' ' ')
[ -z "$missing" ] || fail "the wheels of torch $version lack what its libtorch_cpu.so needs: $missing"
rm -rf "$complete" "$deps/torch" "$deps/torch.libs" "$deps/nvidia"
mv "$partial/tree"/* "$deps/"
mv "$partial/manifest" "$complete"
torch_is_whole || fail "$deps/torch is not what the wheel lists; is the disk full?"
say "libtorch $version ($variant) is ready: $(cd "$deps" && du -ch torch torch.libs nvidia 2>/dev/null | tail -n 1 | cut -f 1)"
