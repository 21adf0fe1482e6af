#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Takes the figures of docs/performance.md that all kernels share (Figures,
Serving) with `fovea bench` and `fovea explain`, for whoever claims something
about speed. Other sections name their scripts.

Prints a Markdown table; each row has the command that repeats it, what was
measured, what is wanted. Exits with 1 if a figure misses its bound or could
not be taken.

usage: run.py [--fovea PROGRAM] [--only WORD] [--quick] [--json FILE]
  --only WORD   only the rows whose group contains WORD
  --quick       prefill at 1024 and 2048 only
"""
import argparse
import datetime
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)


class Failed(Exception):
    """A command that did not give its figure; the text is the reason."""


class Runner:
    """Runs the driver and remembers what the same command gave before."""

    def __init__(self, program):
        self.program = program
        self.seen = {}

    def __call__(self, verb, spec, shape, threads=1, fresh=False, flags=(),
                 **defines):
        words = [verb, os.path.join("bench", "specs", spec + ".mlir"),
                 "--shape=" + shape, *flags]
        for name, value in defines.items():
            words += ["-D", f"{name}={value}"]
        if verb == "bench":
            words.append(f"--threads={threads}")
        words.append("--json")
        text = "fovea " + " ".join(shlex.quote(w) for w in words)
        if text in self.seen and not fresh:
            return self.seen[text], text
        done = subprocess.run([self.program] + words, cwd=ROOT, text=True,
                              capture_output=True, check=False)
        if done.returncode:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise Failed(f"`{text}`: " + (lines[0] if lines else
                                          f"exit {done.returncode}"))
        self.seen[text] = json.loads(done.stdout)
        return self.seen[text], text


def percent(value):
    return f"{100 * value:.1f} %"


def prefill(run, quick):
    """Share of the FMA peak of whole calls, one thread."""
    lengths = [1024, 2048] if quick else [1024, 2048, 4096, 8192]
    kinds = [("f32", "dense", "f32", {64: .85, 128: .88})]
    kinds += [(t, "dense", t, {64: .83, 128: .86}) for t in ("bf16", "f16")]
    kinds += [("int8 K, V", "int8", "f32", {64: .83, 128: .86})]
    for name, spec, element, bounds in kinds:
        for dim, bound in bounds.items():
            for length in lengths:
                def take(spec=spec, element=element, dim=dim, length=length,
                         bound=bound):
                    got, text = run("bench", spec,
                                    f"b=1,sq={length},sk={length}",
                                    H=2, KV=2, D=dim, T=element)
                    # The bound is one of vectors, of which a matrix unit takes
                    # a third of the time.
                    if got["ceilings"]["fma_isa"].startswith("amx"):
                        got, text = run("bench", spec,
                                        f"b=1,sq={length},sk={length}",
                                        flags=("--target=x86-64-v4",),
                                        H=2, KV=2, D=dim, T=element)
                    share = got["share_of_fma_peak"]
                    return (f"{percent(share)} of FMA peak, "
                            f"{got['median_ms']:.1f} ms",
                            f">= {percent(bound)}", share >= bound, text)
                yield f"prefill {name}, D = {dim}, S = {length}", take


def masks(run, _):
    shape = "b=1,sq=4096,sk=4096"

    def causal():
        dense, _ = run("bench", "dense", shape, H=2, KV=2, D=64, T="f32")
        got, text = run("bench", "causal", shape, H=2, KV=2, D=64, T="f32")
        ratio = got["median_ms"] / dense["median_ms"]
        return f"{ratio:.3f} of dense", "<= 0.54", ratio <= .54, text

    def window():
        dense, _ = run("bench", "dense", shape, H=2, KV=2, D=64, T="f32")
        got, text = run("bench", "window", shape, H=2, KV=2, D=64, T="f32",
                        W=256)
        tiles = run("explain", "window", shape, H=2, KV=2, D=64, T="f32",
                    W=256)[0]["tiles"]
        share = 1 - tiles["empty"] / sum(tiles.values())
        ratio = got["median_ms"] / dense["median_ms"]
        return (f"{percent(ratio)} of dense for {percent(share)} of the tiles",
                "<= 1.35 x the share", ratio <= 1.35 * share, text)

    yield "causal, S = 4096", causal
    yield "window(256), S = 4096", window


def scaling(run, _):
    def take():
        shape = "b=1,sq=4096,sk=4096"
        one, _ = run("bench", "causal", shape, H=8, KV=8, D=64, T="f32")
        two, text = run("bench", "causal", shape, threads=2, H=8, KV=8, D=64,
                        T="f32")
        ratio = one["median_ms"] / two["median_ms"]
        return f"{ratio:.2f} x", ">= 1.9 x", ratio >= 1.9, text
    yield "2 threads over 1, causal 4096, 8 heads", take


def cache_bytes():
    """The largest cache of the first CPU."""
    folder = "/sys/devices/system/cpu/cpu0/cache"
    largest = 32 << 20
    for index in os.listdir(folder) if os.path.isdir(folder) else []:
        path = os.path.join(folder, index, "size")
        if os.path.exists(path):
            with open(path) as stream:
                text = stream.read().strip()
            scale = {"K": 1 << 10, "M": 1 << 20}.get(text[-1], 1)
            largest = max(largest, int(text.rstrip("KM")) * scale)
    return largest


def decode(run, _):
    # Keys and values of 8 heads of 128 in two bytes: 4 KiB per token. Four
    # times the last cache, so that nothing of it survives to the next call.
    length = max(16384, 4 * cache_bytes() // 4096)
    shape = f"b=1,sq=1,sk={length}"
    bounds = {1: .73, 2: .82}
    for element in ("bf16", "f16"):
        for threads, bound in bounds.items():
            def take(element=element, threads=threads, bound=bound):
                got, text = run("bench", "dense", shape, threads=threads,
                                H=32, KV=8, D=128, T=element)
                share = got["share_of_read_bandwidth"]
                return (f"{percent(share)} of read bandwidth, "
                        f"{got['gbytes_per_s']:.1f} GB/s",
                        f">= {percent(bound)}", share >= bound, text)
            yield (f"decode {element}, D = 128, GQA 4, {length} keys, "
                   f"{threads} thread{'s' * (threads > 1)}"), take

    def int8():
        base, _ = run("bench", "dense", shape, H=32, KV=8, D=128, T="bf16")
        got, text = run("bench", "int8", shape, H=32, KV=8, D=128, T="bf16")
        ratio = base["median_ms"] / got["median_ms"]
        return f"{ratio:.2f} x bf16", ">= 1.3 x", ratio >= 1.3, text
    yield f"decode int8, tokens per second, {length} keys", int8


INT8 = "#kv.int8<per tok>"


def serving(run, _):
    """Steps over caches."""
    # Twice the last cache: the reference, which checks every call, holds each
    # number in eight bytes. A row more, which the step appends.
    length = max(16384, 2 * cache_bytes() // 4096)
    shape = f"b=1,rows=1,sk={length + 1}"
    layouts = {"head-major": ("cache", {"L": "contiguous"}),
               "token-major": ("cache", {"L": "token_major"}),
               "paged(16)": ("cache", {"L": "paged<16>"}),
               "ring": ("ring", {"W": length})}
    bounds = {1: .73, 2: .82}
    for element in ("bf16", "f16"):
        formats = {"T": element}
        for threads, bound in bounds.items():
            for name, (spec, defines) in layouts.items():
                def take(spec=spec, threads=threads, bound=bound, name=name,
                         defines={**formats, **defines}):
                    if spec == "cache":
                        defines["F"] = defines["T"]
                    got, text = run("bench", spec, shape, threads=threads,
                                    **defines)
                    share = got["share_of_read_bandwidth"]
                    if name == "head-major":
                        return (f"{percent(share)} of read bandwidth",
                                f">= {percent(bound)}", share >= bound, text)
                    base, _ = run("bench", "cache", shape, threads=threads,
                                  T=defines["T"], L="contiguous",
                                  F=defines["T"])
                    ratio = got["best_ms"] / base["best_ms"]
                    return (f"{ratio:.3f} x the time of head-major, "
                            f"{percent(share)} of read bandwidth",
                            "<= 1.11 x", ratio <= 1.11, text)
                yield (f"step of 1 row, {element}, GQA 4, {length} keys, "
                       f"{name}, {threads} thread{'s' * (threads > 1)}"), take

    def int8():
        base, _ = run("bench", "cache", shape)
        got, text = run("bench", "cache", shape, F=INT8)
        ratio = base["best_ms"] / got["best_ms"]
        return f"{ratio:.2f} x bf16", ">= 1.3 x", ratio >= 1.3, text
    yield "step of 1 row, int8 paged(16), tokens per second", int8

    def wide():
        got, text = run("bench", "cache", shape, H=64)
        share = got["share_of_fma_peak"]
        return (f"{percent(share)} of FMA peak", ">= 80 %", share >= .8, text)
    yield "step of 1 row, bf16, GQA 8", wide

    def mixed():
        parts = [run("bench", "cache", s)[0]["best_ms"] for s in
                 ("rows=[300],sk=[1000]", "rows=[1x40],sk=[2000x40]")]
        got, text = run("bench", "cache", "rows=[300,1x40],sk=[1000,2000x40]")
        ratio = got["best_ms"] / sum(parts)
        return (f"{ratio:.3f} x the sum of both apart", "<= 1.05 x",
                ratio <= 1.05, text)
    yield "40 single rows and a chunk of 300 in one step", mixed

    for group, bound in {1: 4, 4: 1.25}.items():
        def shared(group=group, bound=bound):
            prefix = "b=32,rows=1,sk=4160,prefix=4096"
            heads = {"H": 32, "KV": 32 // group}
            apart, _ = run("bench", "cache", prefix, flags=("--no-sharing",),
                           **heads)
            got, text = run("bench", "cache", prefix, **heads)
            ratio = apart["best_ms"] / got["best_ms"]
            # What each sequence has of its own is read in any case.
            own = apart["kv_bytes"] * 64 // 4160
            fall = ((apart["kv_bytes"] - own) /
                    max(got["kv_bytes"] - own, 1))
            whole = apart["kv_bytes"] / max(got["kv_bytes"], 1)
            return (f"{ratio:.2f} x; bytes of the prefix / {fall:.1f}, of all "
                    f"keys and values / {whole:.1f}",
                    f">= {bound} x, / 25", ratio >= bound and fall > 25, text)
        yield (f"32 sequences sharing 4096 of 4160 tokens, group {group}, over "
               "--no-sharing"), shared

    def manager(line):
        program = os.path.join(os.path.dirname(run.program), "kv_cache")
        if "kv_cache" not in run.seen:
            done = subprocess.run([program], capture_output=True, text=True,
                                  check=False)
            if done.returncode:
                raise Failed(done.stderr.strip())
            run.seen["kv_cache"] = done.stdout
        found = re.search(line + r" *min *([0-9.]+) *median *([0-9.]+)",
                          run.seen["kv_cache"])
        if not found:
            raise Failed(f"`kv_cache` prints no line of {line}")
        return float(found[2])

    def append():
        us = manager(r"append \+ commit")
        return f"{us:.1f} us", "< 25 us", us < 25, "kv_cache"
    yield "append and commit of a token, 32 layers of 8 x 128, int8", append

    def update():
        us = manager("fovea_plan_update")
        return f"{us:.1f} us", "< 50 us", us < 50, "kv_cache"
    yield "planning 64 sequences of 8192 tokens, paged(16)", update


def planning(run, _):
    def take():
        got, text = run("explain", "window", "b=1,sq=131072,sk=131072",
                        H=1, KV=1, D=64, T="f32", W=4096)
        ms = got["plan_ms"]
        return f"{ms:.3f} ms", "< 1 ms", ms < 1, text
    yield "planning 128K x 128K, causal and window(4096), one head", take


def compiling(run, _):
    def cold():
        with tempfile.TemporaryDirectory() as cache:
            os.environ["FOVEA_CACHE_DIR"] = cache
            try:
                got, text = run("bench", "causal", "b=1,sq=64,sk=64",
                                fresh=True)
                again, _ = run("bench", "causal", "b=1,sq=64,sk=64",
                               fresh=True)
            finally:
                del os.environ["FOVEA_CACHE_DIR"]
        ms, hit = got["compile_ms"], again["compile_ms"]
        return (f"{ms:.0f} ms cold, {hit:.2f} ms from the cache",
                "< 200 ms, < 1 ms", ms < 200 and hit < 1, text)
    yield "compiling, spec text to callable, all variants", cold


def sizes(run, _):
    def take():
        library = os.path.join(os.path.dirname(run.program), "..", "lib",
                               "libfovea-rt.so")
        with tempfile.NamedTemporaryFile() as stripped:
            done = subprocess.run(["strip", "-o", stripped.name, library],
                                  capture_output=True, text=True, check=False)
            if done.returncode:
                raise Failed(done.stderr.strip())
            size = os.path.getsize(stripped.name)
        return (f"{size / 1024:.0f} KiB", "< 1 MB", size < 1000000,
                "strip libfovea-rt.so")
    yield "libfovea-rt.so stripped", take


GROUPS = {"prefill": prefill, "masks": masks, "threads": scaling,
          "decode": decode, "serving": serving, "plan": planning, "compile": compiling,
          "size": sizes}


def machine():
    model = "an unknown CPU"
    with open("/proc/cpuinfo") as stream:
        for line in stream:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True, check=False)
    return (f"{datetime.date.today()}, {model}, {os.cpu_count()} CPUs, commit "
            f"{commit.stdout.strip() or 'unknown'}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fovea", default=os.path.join(
        ROOT, "build", "release", "bin", "fovea"))
    parser.add_argument("--only", default="")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json")
    args = parser.parse_args()
    run = Runner(os.path.abspath(args.fovea))
    if not os.path.exists(run.program):
        sys.exit(f"run.py: no {args.fovea}; build it: "
                 "cmake --preset release && ninja -C build/release fovea")
    print(f"{machine()}\n\n| what | measured | wanted | | command |")
    print("|---|---|---|---|---|")
    missed, rows = 0, []
    for group, rows_of in GROUPS.items():
        if args.only not in group:
            continue
        for what, take in rows_of(run, args.quick):
            try:
                measured, wanted, ok, command = take()
            except (Failed, KeyError) as reason:
                measured, wanted, ok = f"not measured: {reason}", "", False
                command = ""
            missed += not ok
            rows.append({"what": what, "measured": measured, "wanted": wanted,
                         "ok": bool(ok), "command": command})
            print(f"| {what} | {measured} | {wanted} | "
                  f"{'yes' if ok else '**no**'} | `{command}` |", flush=True)
    if args.json:
        with open(args.json, "w") as stream:
            json.dump({"machine": machine(), "rows": rows,
                       "runs": run.seen}, stream, indent=1)
    return 1 if missed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
