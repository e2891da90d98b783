#!/usr/bin/env bash
# Kills `mal label` with signal 9 at random moments, resumes with the same command each time, and compares the final file with that of an
# undisturbed run, byte for byte.
#   kill-resume.sh IMAGES BOXES FOLDER [option of mal label ...]
#   MAL=.build/release/mal   KILLS=20   SEED=1
# FOLDER (made here, must be new or empty) receives the outputs and the logs.
set -euo pipefail

if [ $# -lt 3 ]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 64
fi
images=$1 boxes=$2 folder=$3
shift 3
mal=${MAL:-.build/release/mal}
kills=${KILLS:-20}
seed=${SEED:-1}

fail() { echo "kill-resume: $*" >&2; exit 1; }
now() { date +%s%N; } # nanoseconds
seconds() { printf '%d.%02d' $(($1 / 1000000000)) $(($1 / 10000000 % 100)); }

[ -x "$mal" ] || fail "no executable at $mal"
mkdir -p "$folder/undisturbed" "$folder/killed"
[ -z "$(find "$folder" -type f | head -n 1)" ] || fail "$folder is not empty"

# A pid is killed only while it is a child of ours that has not been waited for: it can't belong to anyone else.
child=
trap 'if [ -n "$child" ]; then kill -9 "$child" 2>/dev/null || true; fi' EXIT

label() { "$mal" label "$images" --boxes "$boxes" --out "$1" "${@:2}"; }

echo "undisturbed run"
start=$(now)
label "$folder/undisturbed/masks.json" "$@" >"$folder/undisturbed/log" 2>&1 || fail "it failed: $(tail -n 5 "$folder/undisturbed/log")"
whole=$(($(now) - start))
echo "  $(seconds $whole) s, $(stat -c %s "$folder/undisturbed/masks.json") bytes"

# Moments are drawn from 0 to a share of the whole run, so that some 20 kills spread over it; every fourth lies in the first half second, where
# a journal is opened and checked. A run that ends before its kill does not count.
RANDOM=$seed
output=$folder/killed/masks.json
span=$((whole / (kills / 3 + 1)))
killed=0
printf '%4s  %10s  %10s  %14s  %s\n' kill "after, s" "ended by" "other files, B" "output file"
for ((i = 1; killed < kills; i++)); do
    [ "$i" -le $((kills * 3)) ] || fail "only $killed kills in $((i - 1)) runs; give it more work"
    draw=$((RANDOM * 32768 + RANDOM))
    if ((i % 4 == 0)); then wait_ns=$((draw % 500000000)); else wait_ns=$((draw * 1000 % 1000000000 * (span / 1000000) / 1000)); fi
    log=$folder/killed/log.$i
    "$mal" label "$images" --boxes "$boxes" --out "$output" "$@" >"$log" 2>&1 &
    child=$!
    sleep "$(printf '%d.%09d' $((wait_ns / 1000000000)) $((wait_ns % 1000000000)))"
    kill -9 "$child" 2>/dev/null || true
    code=0
    wait "$child" 2>/dev/null || code=$?
    child=
    case $code in
    137) ended="kill -9" killed=$((killed + 1)) ;;
    0) ended="itself, 0" ;;
    *) fail "run $i ended with $code: $(tail -n 5 "$log")" ;;
    esac
    others=$(find "$folder/killed" -type f ! -name 'log.*' ! -name masks.json -printf '%s\n' | awk '{ s += $1 } END { print s + 0 }')
    if [ -e "$output" ]; then
        state="there"
        cmp -s "$output" "$folder/undisturbed/masks.json" || fail "after kill $i there is an output file that is not whole"
    else
        state="not yet"
    fi
    printf '%4d  %10s  %10s  %14d  %s\n' "$i" "$(seconds $wait_ns)" "$ended" "$others" "$state"
    if [ "$code" = 0 ]; then rm -f "$output"; fi # the next one starts anew, so that every kill meets work
done

echo "last run"
start=$(now)
label "$output" "$@" >"$folder/killed/log.last" 2>&1 || fail "it failed: $(tail -n 5 "$folder/killed/log.last")"
echo "  $(seconds $(($(now) - start))) s"

left=$(cd "$folder/killed" && find . -type f ! -name 'log.*' ! -name masks.json | LC_ALL=C sort | tr '\n' ' ')
[ -z "$left" ] || echo "files left beside the output: $left"
cmp "$output" "$folder/undisturbed/masks.json" || fail "the files differ"
echo "same, byte for byte: sha256 $(sha256sum "$output" | cut -d' ' -f1); $killed kills in $((i - 1)) runs, seed $seed"
