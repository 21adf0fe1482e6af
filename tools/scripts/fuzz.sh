#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Runs the fuzz targets of one build for a while, each from its seeds, and
# expects the planted fault of each to be found, for test.sh and by hand.
#
# usage: fuzz.sh BUILD [SECONDS [TARGET SEEDS]]
# BUILD/fuzz-targets.txt (written by CMake) has one `target seeds` per line and
# is what runs if no target is named; target-planted is the same program with a fault in it.
set -uo pipefail
build=${1:?usage: fuzz.sh BUILD [SECONDS [TARGET SEEDS]]}
seconds=${2:-60}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export ASAN_OPTIONS=detect_container_overflow=0:allocator_may_return_null=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

work=$build/fuzz
mkdir -p "$work"

# run TARGET SEEDS: one clean run, then the planted one.
run() {
  local target=$1 seeds=$here/$2 log=$work/$1.log corpus=$work/$1.corpus
  if ! compgen -G "$seeds/*" >/dev/null; then
    echo "fuzz: $target has no seeds in $2"; return 1
  fi
  mkdir -p "$corpus" "$work/$target.found"
  if ! "$build/bin/$target" -max_total_time="$seconds" -timeout=10 \
      -rss_limit_mb=2048 -print_final_stats=1 \
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
  mkdir -p "$work/$target.planted"
  "$build/bin/$target-planted" -max_total_time="$seconds" \
    -artifact_prefix="$work/$target.planted/" "$seeds" \
    >"$work/$target-planted.log" 2>&1
  if ! compgen -G "$work/$target.planted/crash-*" >/dev/null; then
    echo "fuzz: FAILED $target did not find its planted fault"; return 1
  fi
  echo "fuzz: passed $target, $runs runs in $seconds s, planted fault found"
}

if [ $# -eq 4 ]; then
  run "$3" "$4"
  exit
fi
if [ ! -s "$build/fuzz-targets.txt" ]; then
  echo "fuzz: $build has no fuzz targets" >&2
  exit 1
fi
xargs -P "$(nproc)" -L 1 "$here/tools/scripts/fuzz.sh" "$build" "$seconds" \
  <"$build/fuzz-targets.txt"
