#!/usr/bin/env bash
# sysroot.sh FOLDER: Debian 11's headers and libraries (52 MB to fetch) as FOLDER/root, and a Swift SDK `sysroot` in FOLDER that
# builds with them, so that the result runs on glibc 2.31 and later. Needs apt-get and Debian's keys, and no root. dist.sh calls it.
#   DEBIAN_MIRROR=ADDRESS
set -euo pipefail
keys=/usr/share/keyrings/debian-archive-keyring.gpg
if ! command -v apt-get >/dev/null || [ ! -e "$keys" ]; then
    echo "sysroot: apt-get and $keys (package debian-archive-keyring) are needed; BASE=here make dist does without" >&2
    exit 1
fi
folder=$(mkdir -p "${1:?usage: sysroot.sh FOLDER}" && cd "$1" && pwd)
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
root=$folder/root apt=$folder/apt sdk=$folder/sysroot.artifactbundle

rm -rf "$root" "$apt" "$sdk" "$folder/files" "$folder/files.new"
mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$apt"/lists/partial "$apt"/archives/partial
for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
touch "$apt/status"
# simdjson is too old in Debian 11; Debian 12's asks for nothing newer than Debian 11 has.
for suite in bullseye bookworm; do
    echo "deb [signed-by=$keys] $mirror $suite main"
done >"$apt/sources.list"
get() {
    apt-get -q -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
        -o Dir::State::Lists="$apt/lists" -o Dir::State::Status="$apt/status" \
        -o Dir::Cache="$apt" -o Dir::Cache::Archives="$apt/archives" -o APT::Architecture="$(dpkg --print-architecture)" \
        -o APT::Sandbox::User=root -o APT::Default-Release=bullseye -o Debug::NoLocking=true "$@"
}
get -o APT::Update::Error-Mode=any update
get install --yes --download-only --no-install-recommends \
    libc6-dev libstdc++-10-dev libjpeg62-turbo-dev libpng-dev libwebp-dev libtiff-dev libxml2-dev zlib1g-dev libsqlite3-dev
(cd "$apt/archives" && get download libsimdjson-dev/bookworm libsimdjson14/bookworm)

for package in "$apt"/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar --extract --keep-directory-symlink --directory "$root"
    # Which file came from which package, for the licences.
    dpkg-deb --fsys-tarfile "$package" | tar --list | sed "s|^\.|$(dpkg-deb --field "$package" Package) |" >>"$folder/files.new"
done
find "$root" -type l -lname '/*' | while read -r link; do ln -sfn "$root$(readlink "$link")" "$link"; done
rm -rf "$apt"

# The compiler looks for its own run-time libraries there.
swift=$(dirname "$(dirname "$(readlink -f "$(command -v "${SWIFT:-swift}")")")")
ln -s "$swift"/lib/swift "$swift"/lib/swift_static "$root/usr/lib/"
mkdir "$sdk"
cat >"$sdk/info.json" <<EOF
{"schemaVersion": "1.0", "artifacts": {"sysroot": {"type": "swiftSDK", "version": "1", "variants": [{"path": "."}]}}}
EOF
cat >"$sdk/swift-sdk.json" <<EOF
{"schemaVersion": "4.0", "targetTriples": {"$(uname -m)-unknown-linux-gnu": {"sdkRootPath": "$root"}}}
EOF
mv "$folder/files.new" "$folder/files" # all is there
