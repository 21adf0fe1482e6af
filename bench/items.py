#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The plan's cost model against time: what the planner thinks of each item, and
how long the item takes, for whoever changes the costs or the order of work.

Prints a Markdown table, one mask a row:

  rank      Spearman's rank correlation of predicted and measured times
  spread    the largest over the smallest measured time of a predicted unit,
            among items of at least a tenth of the longest
  balance   the busiest of --workers threads over the average, when each takes
            the next item of the plan as soon as it is free: by the measured
            times, and by the predicted ones
  sorted    the same, had the measured times ordered the items

usage: items.py [--only WORD] [--length N] [--workers N] [--rounds N]
"""
import argparse
import heapq
import os
import sys
import time

import fovea
import masks

DEFAULT = ("causal", "tri_shape", "window_by_head", "duo_attention", "a_shape",
           "sliding_window", "prefix_lm", "strided", "random_block")


def ranks(values):
    """Ranks from 0; equal values share the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    result, i = [0.0] * len(values), 0
    while i < len(order):
        j = i
        while j + 1 < len(order) and values[order[j + 1]] == values[order[i]]:
            j += 1
        for k in range(i, j + 1):
            result[order[k]] = (i + j) / 2
        i = j + 1
    return result


def correlation(x, y):
    n = len(x)
    mx, my = sum(x) / n, sum(y) / n
    top = sum((a - mx) * (b - my) for a, b in zip(x, y))
    down = (sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y)) ** .5
    return top / down if down else 1.0


def balance(costs, workers):
    """The busiest worker over the average."""
    loads = [0.0] * workers
    for cost in costs:
        heapq.heappush(loads, heapq.heappop(loads) + cost)
    return max(loads) / (sum(costs) / workers)


def measured(plan, items, rounds):
    """The fastest time of each item, in us."""
    best = [float("inf")] * items
    for _ in range(rounds):
        for i in range(items):
            start = time.perf_counter()
            plan.run_item(0, i)
            best[i] = min(best[i], (time.perf_counter() - start) * 1e6)
    return best


def row(library, name, args):
    path = os.path.join(masks.FOLDER, name + ".mlir")
    kernel = library.compile(masks.spec_of(path), name, D=64, T="f32",
                             H=masks.HEADS, KV=masks.HEADS,
                             **masks.SIZES.get(name, {}))
    dims = {"b": 1, "h": masks.HEADS, "sq": args.length, "sk": args.length}
    case = masks.Case(kernel, name, dims, "f32", masks.inputs(name, dims),
                      workers=args.workers)
    numbers = masks.floats(65537, "f32", 1)
    for i in range(3):
        case.fill(i, numbers[128 * i:])
    plan = case.plan
    plan.run()
    info = plan.phase()
    costs = [info.costs[i] for i in range(info.n_items)]
    times = measured(plan, info.n_items, args.rounds)
    if args.dump:
        for cost, us in zip(costs, times):
            print(f"  {cost} {us:.1f} {1000 * us / max(cost, 1):.3f}")
    large = [t / c for t, c in zip(times, costs) if c * 10 >= max(costs)]
    case.close()
    return (f"| {name} | {len(times)} | "
            f"{correlation(ranks(costs), ranks(times)):.3f} | "
            f"{max(large) / min(large):.2f} | "
            f"{balance(times, args.workers):.3f} | "
            f"{balance(costs, args.workers):.3f} | "
            f"{balance(sorted(times, reverse=True), args.workers):.3f} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--length", type=int, default=4096)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dump", action="store_true")
    parser.add_argument("--build", help="folder of libfovea-rt.so")
    args = parser.parse_args()
    library = fovea.Library(1, args.build)
    print(f"{library.describe()}, {args.length} tokens, {masks.HEADS} heads of "
          f"64, f32, planned for {args.workers} workers\n")
    print("| mask | items | rank | spread | balance | predicted | sorted |")
    print("|---|---|---|---|---|---|---|")
    for name in DEFAULT:
        if args.only in name:
            print(row(library, name, args), flush=True)


if __name__ == "__main__":
    sys.exit(main())
