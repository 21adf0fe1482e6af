#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Runs the fuzz targets of some builds for a while, each from its seeds, and
# expects the planted fault of each to be found, for test.sh and by hand.
#
# usage: [FOVEA_FUZZ_SEED=N] fuzz.sh SECONDS-PER-TARGET BUILD...
# The seed is 1 unless told: a change is judged by what it broke, and a search
# from a random place belongs to a run by hand, with 0.
# BUILD/fuzz-targets.txt (written by CMake) has one `target seeds` per line;
# target-planted is the same program with a fault in it.
set -uo pipefail
seconds=${1:?usage: fuzz.sh SECONDS-PER-TARGET BUILD...}
seed=${FOVEA_FUZZ_SEED:-1}
shift
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# Debian's libMLIR is not instrumented: containers and bump allocators that it
# shares with our code look poisoned when they are not.
export ASAN_OPTIONS=detect_container_overflow=0:allow_user_poisoning=0
ASAN_OPTIONS+=:allocator_may_return_null=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

# run BUILD TARGET SEEDS: one clean run, then the planted one.
run() {
  local build=$1 target=$2 seeds=$here/$3 work=$1/fuzz
  local log=$work/$target.log corpus=$work/$target.corpus words=()
  [ ! -f "$here/test/fuzz/$target.dict" ] ||
    words=(-dict="$here/test/fuzz/$target.dict")
  if ! compgen -G "$seeds/*" >/dev/null; then
    echo "fuzz: FAILED $target has no seeds in $3"; return 1
  fi
  mkdir -p "$corpus" "$work/$target.found"
  if ! "$build/bin/$target" -seed="$seed" -max_total_time="$seconds" -timeout=10 \
      -rss_limit_mb=2048 -print_final_stats=1 "${words[@]}" \
      -artifact_prefix="$work/$target.found/" "$corpus" "$seeds" \
      >"$log" 2>&1; then
    echo "fuzz: FAILED $target, see $log"
    tail -n 25 "$log"
    return 1
  fi
  local runs
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  if [ "${runs:-0}" -lt 100 ]; then
    echo "fuzz: FAILED $target made only ${runs:-0} runs"; return 1
  fi
  # A fuzzer that finds nothing proves nothing: this one must find its fault.
  rm -rf "$work/$target.planted"
  mkdir -p "$work/$target.planted/corpus"
  # Where a search begins decides much of how long it takes: several are made.
  local from
  for from in 1 2 3 4 5; do
    "$build/bin/$target-planted" -seed=$from -max_total_time="$seconds" \
      "${words[@]}" -artifact_prefix="$work/$target.planted/" \
      "$work/$target.planted/corpus" "$seeds" \
      >"$work/$target-planted.log" 2>&1
    ! compgen -G "$work/$target.planted/crash-*" >/dev/null || break
  done
  if ! compgen -G "$work/$target.planted/crash-*" >/dev/null; then
    echo "fuzz: FAILED $target did not find its planted fault"; return 1
  fi
  echo "fuzz: passed $target, $runs runs in $seconds s, planted fault found"
}

# Called by itself, below.
if [ "$seconds" = one ]; then
  seconds=$1
  run "$2" "$3" "$4"
  exit
fi
for build in "$@"; do
  if [ ! -s "$build/fuzz-targets.txt" ]; then
    echo "fuzz: FAILED $build has no fuzz targets" >&2
    exit 1
  fi
  sed "s|^|$build |" "$build/fuzz-targets.txt"
done | xargs -P "$(nproc)" -L 1 "$here/tools/scripts/fuzz.sh" one "$seconds"
