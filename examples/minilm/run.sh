#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Runs the attention of MiniLM-L6 on a real text and shows what comes out:
# agreement with the model's own output, with the float64 reference, the time,
# and the pictures of the masks. For a newcomer; data/PROVENANCE.md says where
# the numbers come from.
#
# usage: run.sh [OUTPUT-FOLDER]      (build/minilm)
# FOVEA names the driver (build/release/bin/fovea).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
fovea=${FOVEA:-build/release/bin/fovea}
out=${1:-build/minilm}
here=examples/minilm
shape=b=6,sq=256,sk=256
inputs=(--in "q=$here/data/q.npy" --in "k=$here/data/k.npy"
  --in "v=$here/data/v.npy")
mkdir -p "$out"

echo "MiniLM-L6: 6 layers, 12 heads of 32, 256 tokens of a licence text"
"$fovea" run $here/minilm.mlir "${inputs[@]}" --out "o=$out/o.npy"
python3 $here/agreement.py "$out/o.npy" $here/data/context.npy
"$fovea" bench $here/minilm.mlir --shape=$shape
for spec in minilm causal window topk pyramid; do
  echo
  echo "$spec.mlir against the float64 reference"
  "$fovea" verify $here/$spec.mlir "${inputs[@]}"
  "$fovea" view $here/$spec.mlir --shape=$shape -o "$out/$spec.svg"
done
echo
echo "pictures of the masks: $out/*.svg"
