#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Everything that is run for a change, from a bare Debian 12 with a clone:
# set-up, build, all tests, the sanitizers, g++, the fuzz targets. For
# contributors and for CI (.ci/run). The last lines say what passed.
#
# usage: test.sh [--conformance=DIR]
# Third-party attention cases lie in DIR or below; without it they are left
# out. FOVEA_FUZZ_SECONDS (default 60) is the time of each fuzz target.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
case "${1:-}" in
  "") conformance= ;;
  --conformance=*) conformance=${1#*=} ;;
  *) sed -n '3,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac

logs=build/logs
mkdir -p "$logs"
rm -f "$logs"/*.log
table=() failed=() passed_tests=0 failed_tests=0

# step NAME COMMAND...: runs it with its output in a log; on failure shows the
# end of the log and goes on, so that one run reports everything.
step() {
  local name=$1 start=$SECONDS state=ok
  shift
  echo "--- $name"
  if ! "$@" >"$logs/$name.log" 2>&1; then
    state=FAILED
    failed+=("$name")
    tail -n 60 "$logs/$name.log"
  fi
  table+=("$(printf '%-16s %-6s %5d s' "$name" $state $((SECONDS - start)))")
  [ $state = ok ]
}

build() {
  cmake --preset "$1" -DFOVEA_BUILD_TESTS=ON "${@:2}" &&
    cmake --build --preset "$1"
}

# tests PRESET: ctest; count PRESET adds its cases to ours.
tests() {
  ctest --test-dir "build/$1" --output-on-failure -j "$(nproc)" \
    --no-tests=error
}
count() {
  local counts
  read -ra counts < <(tools/scripts/count-tests.py \
    "build/$1/Testing/Temporary/LastTest.log")
  passed_tests=$((passed_tests + counts[0]))
  failed_tests=$((failed_tests + counts[1]))
}

started=$SECONDS
if ! step setup tools/scripts/setup.sh test; then
  echo "test.sh: the set-up failed"
  exit 4
fi
# Everything was installed: an example that is left out is a failure.
if step build-release build release -DFOVEA_EXAMPLE_DECODER=ON \
  "-DFOVEA_CONFORMANCE_DIR=$conformance"; then
  step test-release tests release
  count release
  step packages tools/scripts/check-packages.py build/release
  if [ -n "$conformance" ]; then # what passed, by name
    step conformance build/release/bin/fovea-conformance --verbose "$conformance"
    tail -n 1 "$logs/conformance.log"
  fi
fi
for preset in asan-ubsan tsan; do
  if step build-$preset build $preset; then
    step test-$preset tests $preset
    count $preset
  fi
done
# The runtime and its tests by the other compiler.
if step build-gcc build gcc -DFOVEA_BUILD_COMPILER=OFF; then
  step test-gcc tests gcc
  count gcc
fi
if step build-fuzz build fuzz; then
  step fuzz tools/scripts/fuzz.sh "${FOVEA_FUZZ_SECONDS:-60}" build/asan-ubsan \
    build/fuzz
  grep -h '^fuzz: ' "$logs/fuzz.log"
fi

echo
printf '%s\n' "${table[@]}"
printf '%-16s        %5d s\n' total $((SECONDS - started))
[ ${#failed[@]} -eq 0 ] || echo "failed: ${failed[*]}"
echo "tests: $passed_tests passed, $failed_tests failed;" \
  "steps: $((${#table[@]} - ${#failed[@]})) passed, ${#failed[@]} failed"
[ ${#failed[@]} -eq 0 ]
