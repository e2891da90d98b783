#!/usr/bin/env bash
# dist-smoke.sh ARCHIVE [SUITE …]: unpacks an archive of dist.sh in new Debian systems that have nothing else
# (bookworm and trixie) and labels Demo/ there. Needs root and debootstrap.
#   DEBIAN_MIRROR=ADDRESS   WORK=FOLDER, 2 GB a suite
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
archive=$(readlink -f "${1:?usage: dist-smoke.sh ARCHIVE [SUITE …]}")
shift
work=$(mktemp -d "${WORK:-${TMPDIR:-/tmp}}/mal-dist.XXXXXX")
trap 'rm -rf "$work"' EXIT

# In the bare system: its own tools only.
cat >"$work/smoke.sh" <<'EOF'
set -eu
cd /try
tar -xzf archive.tar.gz
mal=$(echo mal-*/bin/mal)
"$mal" --version
"$mal" label Demo/images --boxes Demo/boxes.json --out masks.json --overlays look --report report
grep -o '"segmentation"' masks.json | wc -l
sha256sum masks.json | cut -c 1-16
EOF

[ $# -gt 0 ] || set -- bookworm trixie
for suite; do
    root=$work/$suite
    debootstrap --variant=minbase "$suite" "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$work/log" ||
        { tail -n 5 "$work/log" >&2; exit 1; }
    mkdir "$root/try"
    cp "$archive" "$root/try/archive.tar.gz"
    cp -r "$repository/Demo" "$work/smoke.sh" "$root/try/"
    SECONDS=0
    echo "== $suite: $(du -sh --exclude=try "$root" | cut -f1), glibc $(chroot "$root" ldd --version | sed -n '1s/.* //p')"
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin ROOT="$root" unshare -m --propagation private bash -c \
        'mount -t proc proc "$ROOT/proc" && mount --rbind /dev "$ROOT/dev" && exec chroot "$ROOT" sh /try/smoke.sh'
    echo "$suite: $SECONDS s"
    rm -rf "$root"
done
