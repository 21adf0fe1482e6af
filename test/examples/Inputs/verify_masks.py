# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs `fovea verify` on every file of examples/masks, with compiled specs in a
folder of its own. A mask that the compiler says it cannot analyse has failed, too.

A kernel over a cache is called with as many rows.

usage: verify_masks.py FOLDER FOVEA SHAPE [RULES]   npy files go to FOLDER;
with RULES, only the kernels that it names
"""
import json
import os
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                    *[os.pardir] * 3)
sys.path.insert(0, os.path.join(ROOT, "tools", "scripts"))
import mask_inputs  # noqa: E402

folder, fovea, shape = sys.argv[1:4]
rules = None
if len(sys.argv) > 4:
    with open(sys.argv[4]) as stream:
        rules = json.load(stream)
examples = os.path.join(ROOT, "examples", "masks")
names = sorted(name[:-5] for name in os.listdir(examples)
               if name.endswith(".mlir"))
if rules:
    names = [name for name in names if name in rules]
# What is known of these is not all: bits of a word have no interval.
PARTLY = {"tree_bitmap"}
# The rows of their batches are trees.
TREES = {"tree_cache"}


def shape_of(path):
    with open(path) as stream:
        if "!kv.cache" not in stream.read():
            return shape
    dims = mask_inputs.parse_shape(shape)
    return f"b={dims['b']},rows={dims['b'] * dims['sq']},sk={dims['sk']}"


failed = 0
for name in names:
    path = os.path.join(examples, name + ".mlir")
    command = [fovea, "verify", path, "--shape=" + shape_of(path),
               "--cache-dir", os.path.join(folder, "cache")]
    command += mask_inputs.options(name, shape, folder, rules)
    if name in TREES:
        command.append("--tree=random")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or ("analy" in done.stderr and name not in PARTLY):
        failed += 1
        print(f"{name}: {done.stdout}{done.stderr}")
print(f"{len(names)} masks, {failed} failed")
sys.exit(1 if failed or not names else 0)
