#!/usr/bin/env bash
# uninstall.sh PREFIX: takes away what install.sh put there, and the folders that are empty then.
set -euo pipefail
prefix=${1:?usage: uninstall.sh PREFIX}
[ -e "$prefix/bin/mal" ] && [ -d "$prefix/lib/mal/torch" ] || { echo "uninstall: $prefix has no installed mal" >&2; exit 1; }

rm -rf "$prefix/lib/mal" "$prefix/share/mal"
for file in bin/mal share/man/man1/mal.1 share/bash-completion/completions/mal share/zsh/site-functions/_mal \
    share/fish/vendor_completions.d/mal.fish; do
    rm -f "$prefix/$file"
    folder=$(dirname "$file")
    while [ "$folder" != . ] && rmdir "$prefix/$folder" 2>/dev/null; do folder=$(dirname "$folder"); done
done
rmdir "$prefix/lib" 2>/dev/null || true
echo "uninstalled: mal in $prefix"
