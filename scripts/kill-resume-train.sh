#!/usr/bin/env bash
# Kills `mal train` with signal 9 at random moments, resumes with the same command each time, and compares the final weights and optimizer
# state with those of an undisturbed run, byte for byte.
#   kill-resume-train.sh SPEC FOLDER [key=value ...]
#   MAL=.build/release/mal   KILLS=10   SEED=1
# FOLDER (made here, must be new or empty) receives both runs and the logs. Let the spec save every few steps (checkpoint_interval_unit: step).
set -euo pipefail

if [ $# -lt 2 ]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 64
fi
spec=$1 folder=$2
shift 2
mal=${MAL:-.build/release/mal}
kills=${KILLS:-10}
RANDOM=${SEED:-1}

fail() { echo "kill-resume-train: $*" >&2; exit 1; }
now() { date +%s%N; } # nanoseconds

[ -x "$mal" ] || fail "no executable at $mal"
mkdir -p "$folder"
[ -z "$(find "$folder" -type f | head -n 1)" ] || fail "$folder is not empty"

# A pid is killed only while it is a child of ours that has not been waited for: it can't belong to anyone else.
child=
trap 'if [ -n "$child" ]; then kill -9 "$child" 2>/dev/null || true; fi' EXIT

train() { "$mal" train -e "$spec" -r "$folder/$1" --threads 1 "${@:2}"; }

start=$(now)
train undisturbed "$@" >"$folder/undisturbed.log" 2>&1 || fail "the undisturbed run failed: $(tail -n 5 "$folder/undisturbed.log")"
whole=$((($(now) - start) / 1000000))
echo "undisturbed run: $whole ms"

killed=0
for ((i = 1; killed < kills; i++)); do
    [ "$i" -le $((kills * 4)) ] || fail "only $killed kills in $((i - 1)) runs; give it more steps"
    log=$folder/killed.$i.log
    # Not through the function: the pid is to be the program's, not a subshell's.
    "$mal" train -e "$spec" -r "$folder/killed" --threads 1 "$@" >"$log" 2>&1 &
    child=$!
    # Early kills cost a start each, so the moments spread over a share of the run.
    wait_ms=$(((RANDOM * 32768 + RANDOM) % (whole * 3 / kills + 500)))
    sleep "$((wait_ms / 1000)).$(printf %03d $((wait_ms % 1000)))"
    kill -9 "$child" 2>/dev/null || true
    code=0
    wait "$child" 2>/dev/null || code=$?
    child=
    case $code in
    137) killed=$((killed + 1)) ;;
    0) echo "  run $i ended by itself after $killed kills"; break ;;
    *) fail "run $i ended with $code: $(tail -n 5 "$log")" ;;
    esac
    newest=$(find "$folder/killed" -maxdepth 2 -name 'model_epoch_*' 2>/dev/null | sort | tail -n 1 || true)
    printf '  kill %2d after %5d ms, newest checkpoint %s\n' "$killed" "$wait_ms" "${newest##*/}"
done
train killed "$@" >"$folder/killed.last.log" 2>&1 || fail "the last run failed: $(tail -n 5 "$folder/killed.last.log")"

for file in student teacher optimizer; do
    cmp "$folder/undisturbed/train/model_latest/$file.safetensors" "$folder/killed/train/model_latest/$file.safetensors" || fail "$file differs"
done
steps() { sed -e 's/, "seconds".*//' "$folder/$1/train/metrics.jsonl"; }
cmp <(steps undisturbed) <(steps killed) || fail "metrics.jsonl differs"
echo "same, byte for byte, after $killed kills: sha256 $(sha256sum "$folder/killed/train/model_latest/student.safetensors" | cut -d' ' -f1)"
