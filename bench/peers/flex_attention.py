#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""PyTorch's FlexAttention, compiled for the CPU, against Fovea: the same masks
of examples/masks on the same tensors, in one process and in turn. Development
only; installs nothing:

    python3 -m venv env && env/bin/pip install torch numpy
    env/bin/python bench/peers/flex_attention.py [--only WORD] [--lengths 1024]

Each mask is first compared: both results with each other, or the row is not
timed. Then attention alone (a block mask made before, a plan made before), and
with what a new mask costs: create_block_mask as it is and under torch.compile,
against fovea_plan_update; all kernels have compiled before. Times are the best of each of some turns. FlexAttention
compiles C++ at run time and needs g++. Tables are those of inputs.json.
"""
import argparse
import os
import sys
import time

import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, ".."))
import fovea  # noqa: E402
import masks  # noqa: E402
from flex_masks import BY_HEAD, FLEX, OWN, tables_of  # noqa: E402

HEADS = masks.HEADS
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


class Ours:
    """A Fovea kernel and a plan of it over torch's tensors."""

    def __init__(self, library, name, text, sizes, dims, dtype, dim, numbers,
                 tensors):
        kernel = library.compile(text, name, D=dim, T=dtype, H=HEADS, KV=HEADS,
                                 **sizes)
        self.out = torch.zeros_like(tensors[0])
        given = list(tensors) + [self.out]
        values, limits = [], []
        for info in kernel.arguments:
            argument = info.name.decode()
            if info.kind == fovea.SCALAR:
                values.append(numbers[argument])
            elif argument in numbers:
                kind, shape, data = numbers[argument]
                at = torch.frombuffer(data, dtype=torch.int8).data_ptr()
                values.append(fovea.tensor(at, kind, shape))
                limits += [(label.decode(), extent) for extent, label in
                           zip(shape, info.dims)
                           if label and label.decode() not in ("b", "sq", "sk")]
            else:
                one = given.pop(0)
                values.append(fovea.tensor(one.data_ptr(), dtype,
                                           list(one.shape)))
        self.keep = numbers, tensors
        self.plan = fovea.Plan(kernel, values, dims["sq"], dims["sk"],
                               sorted(set(limits)))


def in_turn(seconds, *calls):
    """The fastest of each of some calls, in ms; one call each at least."""
    best, start = [float("inf")] * len(calls), time.perf_counter()
    while True:
        for i, call in enumerate(calls):
            begin = time.perf_counter()
            call()
            best[i] = min(best[i], (time.perf_counter() - begin) * 1e3)
        if time.perf_counter() - start > seconds:
            return best


def compare(library, name, length, dtype, dim, args):
    path = os.path.join(masks.FOLDER, name + ".mlir")
    text = masks.spec_of(path)
    sizes = {**OWN.get(name, {}), **masks.SIZES.get(name, {})}
    dims = {"b": 1, "h": HEADS, "sq": length, "sk": length}
    numbers = masks.inputs(name, dims)
    if numbers is None:
        raise fovea.Failed("not measured: a table of more than 256 MiB")
    torch.manual_seed(1)
    tensors = [torch.randn(1, HEADS, length, dim).to(DTYPES[dtype])
               for _ in range(3)]
    ours = Ours(library, name, text, sizes, dims, dtype, dim, numbers, tensors)
    modifier = FLEX[name](sizes, tables_of(numbers))

    torch._dynamo.reset()
    theirs = torch.compile(flex_attention)
    compiled = torch.compile(create_block_mask)
    heads = HEADS if name in BY_HEAD else None

    def block_mask(build):
        return build(modifier, None, heads, length, length, device="cpu")

    mask = block_mask(compiled)
    result = theirs(*tensors, block_mask=mask)
    ours.plan.run()
    error = (result.float() - ours.out.float()).abs().max().item()
    bound = {"f32": 2e-5, "bf16": 4e-2}[dtype]
    if not error <= bound:
        return f"| {name} | {length} | {dim} | {dtype} | differ by {error:.2g} |"
    alone = in_turn(args.seconds, lambda: theirs(*tensors, block_mask=mask),
                    ours.plan.run)
    # A block mask is slow: few turns.
    eager, fused, plan = in_turn(
        args.seconds / 2, lambda: block_mask(create_block_mask),
        lambda: block_mask(compiled), ours.plan.update)
    both = alone[1] + plan
    ratios = (alone[0] / alone[1], (alone[0] + eager) / both,
              (alone[0] + fused) / both)
    missed = [word for word, ratio, wanted in
              zip(("alone", "eager", "compiled"), ratios, (1.5, 10, 10))
              if ratio < wanted]
    return (f"| {name} | {length} | {dim} | {dtype} | {alone[0]:.2f} | "
            f"{alone[1]:.2f} | {ratios[0]:.2f} | {eager:.1f} | "
            f"{fused:.1f} | {plan:.3f} | {ratios[1]:.1f} | {ratios[2]:.1f} | "
            f"{', '.join(missed)} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--exact", help="this mask alone")
    parser.add_argument("--lengths", default="1024,4096,16384")
    parser.add_argument("--dims", default="64,128")
    parser.add_argument("--dtypes", default="f32,bf16")
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--build", help="folder of libfovea-rt.so")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    library = fovea.Library(args.threads, args.build)
    print(f"PyTorch {torch.__version__}, {library.describe()}, {HEADS} heads, "
          f"{args.threads} thread{'s' * (args.threads > 1)}\n")
    print("| mask | tokens | D | type | FlexAttention ms | Fovea ms | ratio | "
          "block mask ms | compiled | plan ms | with block mask | with compiled "
          "| missed |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name in FLEX:
        if args.only not in name or args.exact not in (None, name):
            continue
        for length in map(int, args.lengths.split(",")):
            for dim in map(int, args.dims.split(",")):
                for dtype in args.dtypes.split(","):
                    try:
                        row = compare(library, name, length, dtype, dim, args)
                    except (fovea.Failed, RuntimeError) as reason:
                        first = str(reason).strip().splitlines()[0]
                        row = f"| {name} | {length} | {dim} | {dtype} | {first} |"
                    print(row, flush=True)


if __name__ == "__main__":
    main()
