#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# From a clone to a first result, for a newcomer: installs what is missing,
# builds Fovea, and runs examples/minilm, the attention of a real transformer.
#
# usage: demo.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tools/scripts/setup.sh build
started=$SECONDS
tests=OFF
# Keep the tests of a tree that already has them.
if grep -qs '^FOVEA_BUILD_TESTS:BOOL=ON' build/release/CMakeCache.txt; then
  tests=ON
fi
cmake --preset release -DFOVEA_BUILD_TESTS=$tests >build-demo.log 2>&1 || {
  tail -n 20 build-demo.log >&2
  exit 1
}
mv build-demo.log build/release/
# ninja's progress is one line on a terminal and silence in a log.
if [ -t 1 ]; then quiet=(); else quiet=(--quiet); fi
ninja -C build/release "${quiet[@]}" fovea
echo "demo: Fovea is built in build/release ($((SECONDS - started)) s)"
examples/minilm/run.sh
