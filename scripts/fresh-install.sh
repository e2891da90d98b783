#!/usr/bin/env bash
# Does what a newcomer does: a fresh clone of what is committed here, pip as it comes, `make demo`. Says minutes and sizes.
#   fresh-install.sh           in a new folder of this machine
#   fresh-install.sh --bare    in a new Debian 12 that has nothing but this machine's Swift (needs root and debootstrap)
#   WORK=FOLDER     where it happens, 12 GB; a new folder in TMPDIR by default, removed at the end
#   SEEN="PATH …"   what the bare root sees of this machine besides, say a mirror of Swift's packages and its git configuration
#   PIP_CONFIGURED=1    pip as this machine configures it, to measure the other way
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)

bare=
if [ "${1:-}" = --bare ]; then bare=yes; elif [ $# -gt 0 ]; then sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 64; fi
say() { printf 'fresh-install: %s\n' "$*"; }
minutes() { printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); }

if [ -n "${WORK:-}" ]; then
    mkdir -p "$WORK" && work=$(cd "$WORK" && pwd)
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT # mounts are in a namespace of their own, which is gone by then
fi
plain=(env -u TORCH_DIR -u TORCH_VERSION -u TORCH_VARIANT)
if [ -z "${PIP_CONFIGURED:-}" ]; then
    plain+=(-u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null)
fi
swift=$(dirname "$(dirname "$(readlink -f "$(command -v swift)")")")

root=
if [ -n "$bare" ]; then
    root=$work/root
    say "a bare Debian 12 in $root"
    debootstrap --variant=minbase bookworm "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$work/debootstrap.log" ||
        { tail -n 5 "$work/debootstrap.log" >&2; exit 1; }
    cp -L /etc/resolv.conf "$root/etc/"
    say "it has $(du -sh "$root" | cut -f 1)"
fi
clone=$root/${bare:+mal}
if [ -z "$bare" ]; then clone=$work/mal; fi
git clone --quiet --no-hardlinks "$repository" "$clone"

# The bare root's first command is bootstrap.sh, because make itself is among what that installs.
first() {
    if [ -z "$bare" ]; then
        (cd "$clone" && "${plain[@]}" "$@")
    else
        export -f inside
        "${plain[@]}" ROOT="$root" SWIFT_AT="$swift" SEEN="${SEEN:-}" unshare -m bash -c 'inside "$@"' inside "$@"
    fi
}
inside() {
    set -e
    mount --make-rprivate /
    local path
    for path in "$SWIFT_AT" $SEEN; do
        if [ -d "$path" ]; then mkdir -p "$ROOT$path"; else mkdir -p "$ROOT${path%/*}" && touch "$ROOT$path"; fi
        mount --bind "$path" "$ROOT$path"
        mount -o remount,bind,ro "$ROOT$path"
    done
    mount -t proc proc "$ROOT/proc"
    mount --rbind /dev "$ROOT/dev"
    exec chroot "$ROOT" /usr/bin/env -u TMPDIR HOME=/root LC_ALL=C.UTF-8 PATH="$SWIFT_AT/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
        sh -c 'cd /mal && exec "$@"' sh "$@"
}

SECONDS=0
first scripts/bootstrap.sh 2>&1 | tee "$work/bootstrap.log"
bootstrap=$SECONDS
first make demo 2>&1 | tee "$work/demo.log"
total=$SECONDS

masks=$clone/demo-out/masks.json
count=$(grep -o '"segmentation"' "$masks" | wc -l)
[ "$count" -gt 0 ] && [ -s "$clone/demo-out/report/index.html" ] || { say "no masks"; exit 1; }
say "wheels: $(sed -n 's/.*Downloading .*(\([0-9.]* [kMG]B\)).*/\1/p' "$work/bootstrap.log" | paste -sd+ | sed 's/+/ + /g')"
say ".deps: $(du -sh "$clone/.deps" | cut -f 1), .build: $(du -sh "$clone/.build" | cut -f 1)"
say "bootstrap $(minutes $bootstrap), build and labelling $(minutes $((total - bootstrap))), all $(minutes $total)"
say "$count masks, sha256 $(sha256sum "$masks" | cut -c 1-16)"
