#!/usr/bin/env bash
# dist-smoke.sh ARCHIVE [SUITE …]: unpacks an archive of dist.sh in new Debian systems that have nothing else
# (bullseye, bookworm and trixie), labels Demo/ there, and asks `mal serve` for a mask. Needs root and debootstrap.
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
"$mal" serve --images Demo/images --checkpoint tiny --listen 127.0.0.1:0 2>log &
until port=$(sed -n 's|.*listening on http://127.0.0.1:||p' log | grep -o '^[0-9]*'); do
    kill -0 $! # ends the script where the server has ended
    sleep 0.2
done
body='{"image": {"path": "astronaut.png"}, "boxes": [[22, 15, 342, 497]]}'
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'POST /v1/masks HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n' >&3
printf 'Content-Length: %d\r\n\r\n%s' ${#body} "$body" >&3
grep -o '^HTTP[^\r]*\|"area": *[0-9]*' <&3
kill $!
wait $!
EOF

[ $# -gt 0 ] || set -- bullseye bookworm trixie
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
        'mount -t proc proc "$ROOT/proc" && mount --rbind /dev "$ROOT/dev" && exec chroot "$ROOT" bash /try/smoke.sh'
    echo "$suite: $SECONDS s"
    rm -rf "$root"
done
