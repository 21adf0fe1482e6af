#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Counts what a stream on a GPU does for one block of keys, and what follows.

For each spec: the bytes a block reads, the instructions that a warp issues for
it (those of the loop over blocks, without what only partial blocks and growing
maxima run), and the bounds they imply. Needs no GPU. Instructions are those of
the machine where ptxas and nvdisasm are found (PATH, CUDA_HOME, or
--nvdisasm), and of PTX otherwise, which the table says. Times that follow are
bounds, not measurements.

    bench/gpu/instructions.py                       # the table of docs/performance.md
    bench/gpu/instructions.py --spec examples/masks/tree.mlir -D T=bf16
"""
import argparse
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# What is assumed of an H200: multiprocessors, their clock (Hz), bytes that a
# copy moves per second, and per multiprocessor and clock: floating point
# operations of mma.sync (62 % of wgmma's 4096), bytes of shared memory, and
# instructions issued. Latency of a read in seconds.
SMS, CLOCK, COPY = 132, 1.755e9, 4.3e12
MMA, SHARED, ISSUE = 2540, 128, 4
LATENCY = 1.0e-6
# Of a multiprocessor of sm_90: registers, bytes of shared memory, and what each
# CTA takes of them beside its own.
REGISTERS, SHARED_BYTES, RESERVED = 65536, 228 * 1024, 1024
WARPS = 4

DEFAULT = [(f"causal, D = {d}, bf16", "examples/masks/causal.mlir", [f"D={d}", "T=bf16"])
           for d in (64, 128, 192, 256)]
DEFAULT += [("dense, D = 128, bf16", "bench/specs/dense.mlir", ["D=128", "T=bf16"])]
DEFAULT += [("int8, D = 128, bf16", "bench/specs/int8.mlir", ["D=128", "T=bf16"]),
            ("paged<16>, bf16 and int8, D = 128", "examples/systems/paged-int8.mlir", [])]

MNEMONIC = re.compile(r"^(?:@!?U?P\w+|@!?%p\d+)?\s*([A-Za-z_][\w.]*)")


def fail(text):
    sys.exit(f"instructions.py: {text}")


class Code:
    """Instructions in order, and where labels stand."""

    def __init__(self, text, machine):
        self.text, self.labels, self.machine = [], {}, machine
        label = r"\s*(\.L_x_\d+):" if machine else r"\s*(\$L__BB\w+):"
        line = r"\s*/\*[0-9a-f]{4,}\*/\s+(.*?)\s*;" if machine else r"\s+([@a-z{].*;)"
        if not machine:  # statements that take several lines
            text = re.sub(r",\s*\n\s*|(?<=[\w}])\n\t\t", lambda m: ", " if "," in m.group(0) else " ", text)
        for row in text.splitlines():
            if found := re.match(label, row):
                self.labels[found.group(1)] = len(self.text)
            elif found := re.match(line, row):
                self.text.append(found.group(1))
        self.names = [MNEMONIC.match(t).group(1) if MNEMONIC.match(t) else "" for t in self.text]

    def target(self, i):
        if self.names[i].split(".")[0].lower() not in ("bra",):
            return None
        found = re.search(r"\.L_x_\d+|\$L__BB\w+", self.text[i])
        return self.labels.get(found.group(0)) if found else None

    def loops(self):
        return [(t, i) for i in range(len(self.text))
                if (t := self.target(i)) is not None and t <= i]

    def is_mma(self, i):
        return self.names[i].startswith(("HMMA", "mma.sync"))

    def block_loop(self):
        """The smallest loop with all matrix products."""
        products = [i for i in range(len(self.text)) if self.is_mma(i)]
        around = [l for l in self.loops() if products and l[0] <= products[0] and products[-1] <= l[1]]
        if not around:
            fail("expected a loop over blocks with matrix products, got none")
        return min(around, key=lambda l: l[1] - l[0])

    def full_block(self):
        """Numbers of the instructions of a block all of whose pairs live."""
        first, last = self.block_loop()
        starts = {first} | {t for t in self.labels.values() if first < t <= last}
        starts |= {i + 1 for i in range(first, last) if self.target(i) is not None}
        starts = sorted(starts) + [last + 1]
        nested = [l for l in self.loops() if first < l[0] and l[1] < last]
        kept = []
        for a, b in zip(starts, starts[1:]):
            inside = range(a, b)
            names = collections.Counter(self.names[i].split(".")[0].lower() for i in inside)
            mma = any(self.is_mma(i) for i in inside)
            # The mask's loop over pairs (expanding codes is one too: it shares),
            # scores hidden by its bits, sums rescaled.
            mask = any(l[0] <= a and b - 1 <= l[1] and not self.shares(l) for l in nested)
            hides = sum("-INF" in self.text[i] or "0fFF800000" in self.text[i] for i in inside) >= 4
            rescales = names["fmul"] + names["mul"] >= 32 and not mma
            if not (mask or hides or rescales):
                kept.extend(inside)
        return kept

    def shares(self, loop):
        return any(self.names[i].startswith(("STS", "st.shared")) for i in range(loop[0], loop[1] + 1))


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode:
        fail(f"expected {' '.join(command)} to succeed, got {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def find(name, given=None):
    home = os.environ.get("CUDA_HOME")
    for path in (given, shutil.which(name), home and os.path.join(home, "bin", name),
                 "/usr/local/cuda/bin/" + name):
        if path and os.access(path, os.X_OK):
            return path
    return None


def kernels(fovea, spec, defines, arch):
    """Name, PTX and resources of the streams of a spec."""
    command = [fovea, "compile", spec, "--emit=asm", "-o", "-", f"--target={arch}"]
    for define in defines:
        command += ["-D", define]
    text = run(command)
    taken = re.findall(r"// (\S+): (\d+) registers, (\d+) bytes spilled, (\d+) bytes", text)
    resources = {n: tuple(map(int, rest)) for n, *rest in taken}
    for part in re.split(r"(?=//\n// Generated by LLVM NVPTX)", text):
        found = re.search(r"\.visible \.entry (\S+)\(", part)
        if found and "mma.sync" in part:
            ptx = re.sub(r"\n(?:#|// \S+: \d+ registers).*", "", part)
            yield found.group(1), ptx, resources.get(found.group(1))


def machine_code(ptx, arch, ptxas, nvdisasm):
    with tempfile.TemporaryDirectory() as folder:
        source, cubin = os.path.join(folder, "k.ptx"), os.path.join(folder, "k.cubin")
        with open(source, "w") as file:
            file.write(ptx)
        run([ptxas, f"-arch={arch}", source, "-o", cubin])
        return run([nvdisasm, "-c", cubin])


def count(code, numbers):
    kinds = collections.Counter()
    for i in numbers:
        name = code.names[i]
        kinds["all"] += 1
        for kind, begins in (("mma", ("HMMA", "mma.sync")), ("ldmatrix", ("LDSM", "ldmatrix")),
                             ("cp.async", ("LDGSTS", "cp.async.c")), ("exp2", ("MUFU.EX2", "ex2.")),
                             ("shared", ("LDS", "STS", "ld.shared", "st.shared"))):
            if name.startswith(begins) and not (kind == "shared" and name.startswith("LDSM")) \
                    and "commit" not in name and "wait" not in name:
                kinds[kind] += 1
        if name.startswith(("LDS", "STS", "ld.shared", "st.shared")) and not name.startswith("LDSM"):
            wide = re.search(r"\.(128|64|v4|v2)", name)
            kinds["moved"] += {"128": 16, "v4": 16, "64": 8, "v2": 8}[wide.group(1)] if wide else 4
        if name.startswith(("LDGSTS", "cp.async.c")) and "commit" not in name:
            size = re.search(r"\.(128|64)", name)
            if not code.machine:
                size = re.search(r", (16|8|4),", code.text[i])
                kinds["copied"] += int(size.group(1)) if size else 4
            else:
                kinds["copied"] += int(size.group(1)) // 8 if size else 4
    return kinds


def row(label, name, ptx, resources, arch, tools):
    machine = all(tools)
    code = Code(machine_code(ptx, arch, *tools) if machine else ptx, machine)
    kinds = count(code, code.full_block())
    loaded = kinds["copied"] * 32 * WARPS
    cycles = {
        "issue": kinds["all"] * WARPS / ISSUE,
        "products": kinds["mma"] * 4096 * WARPS / MMA,
        "shared": ((kinds["ldmatrix"] * 512 + kinds["moved"] * 32) * WARPS + loaded) / SHARED,
    }
    most = max(cycles, key=cycles.get)
    seconds = cycles[most] / CLOCK
    ctas = "?"
    if resources:
        registers, _, shared = resources
        ctas = min(REGISTERS // (32 * WARPS * ((registers + 7) // 8 * 8)),
                   SHARED_BYTES // (shared + RESERVED))
    if name.endswith("prefill"):
        flops = kinds["mma"] * 4096 * WARPS * SMS
        bound = f"{flops / seconds / 1e12:.0f} TFLOP/s ({most})"
    else:
        rate = {"copy": COPY, most: loaded * SMS / seconds}
        if resources:
            rate["bytes in flight"] = loaded * ctas * SMS / LATENCY
        least = min(rate, key=rate.get)
        bound = f"{rate[least] / 1e12:.1f} TB/s ({least})"
    return (f"| {label} | {name.split('_')[-1]} | {loaded} | {kinds['mma']} | {kinds['ldmatrix']} | "
            f"{kinds['cp.async']} | {kinds['exp2']} | {kinds['all']} | "
            f"{resources[0] if resources else '?'}, {ctas} | "
            f"{cycles['issue']:.0f}, {cycles['products']:.0f}, {cycles['shared']:.0f} | {bound} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fovea", default=os.path.join(ROOT, "build/release/bin/fovea"))
    parser.add_argument("--spec", help="one spec instead of those of the table")
    parser.add_argument("-D", action="append", default=[], metavar="NAME=VALUE", dest="defines")
    parser.add_argument("--target", default="sm_80")
    parser.add_argument("--nvdisasm", help="where it is")
    options = parser.parse_args()
    tools = (find("ptxas"), find("nvdisasm", options.nvdisasm))
    if options.nvdisasm and tools[1] != options.nvdisasm:
        fail(f"expected nvdisasm in {options.nvdisasm}, which cannot be run")
    specs = DEFAULT
    if options.spec:
        specs = [(os.path.basename(options.spec), options.spec, options.defines)]
    print("Instructions of " + ("the machine" if all(tools) else
                                "PTX: ptxas or nvdisasm was not found") + ", of a warp for a full block.\n")
    print("| stream | stage | bytes | mma | ldmatrix | cp.async | exp2 | all | registers, CTAs | "
          "cycles: issue, products, shared | bound |")
    print("|---" * 11 + "|")
    for label, spec, defines in specs:
        path = spec if os.path.exists(spec) else os.path.join(ROOT, spec)
        for name, ptx, resources in kernels(options.fovea, path, defines, options.target):
            print(row(label, name, ptx, resources, options.target, tools), flush=True)


if __name__ == "__main__":
    main()
