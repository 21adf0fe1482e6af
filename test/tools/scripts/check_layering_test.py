#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Seeds one fault of every kind into a small tree and expects it found.

usage: check_layering_test.py CHECK-LAYERING.PY
"""
import os
import subprocess
import sys
import tempfile

CHECK = sys.argv[1]
ID = "// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception\n"

GOOD = {
    "dialects/kv/KVOps.h": '#include "mlir/IR/Dialect.h"\n',
    "dialects/attn/AttnOps.h": '#include "dialects/sel/SelOps.h"\n',
    "codegen/jit/Jit.cpp": '#include "codegen/cpu/Emit.h"\n',
    "runtime/plan/Plan.cpp": '#include "runtime/base/Status.h"\n'
                             "#include <fovea/runtime.h>\n#include <vector>\n",
    "examples/embed/main.c": "#include <fovea/jit.h>\n#include <stdio.h>\n",
    "test/support/Naive.h": "#include <vector>\n",
    "bench/run.c": "// /usr/bin/env and /proc/cpuinfo are everywhere.\n",
}
# (rule, file, text): each is added alone to the good tree.
FAULTS = [
    ("include", "dialects/kv/A.h", '#include "dialects/sel/SelOps.h"\n'),
    ("include", "dialects/sel/A.h", '#include "dialects/attn/AttnOps.h"\n'),
    ("include", "dialects/tile/A.td", 'include "dialects/attn/AttnOps.td"\n'),
    ("include", "dialects/reference/A.cpp", '#include "passes/analysis/B.h"\n'),
    ("include", "passes/attn/A.cpp", '#include "codegen/cpu/Emit.h"\n'),
    ("include", "passes/attn/A.cpp", '#include "dialects/reference/R.h"\n'),
    ("include", "codegen/cpu/A.cpp", '#include "codegen/gpu/Emit.h"\n'),
    ("include", "codegen/gpu/emulator/A.cpp",
     '#include "codegen/cpu/Emit.h"\n'),
    ("include", "codegen/bundle/A.cpp", '#include "codegen/jit/Jit.h"\n'),
    ("include", "runtime/base/A.cpp", '#include "codegen/bundle/Bundle.h"\n'),
    ("include", "runtime/base/A.cpp", "#include <llvm/ADT/StringRef.h>\n"),
    ("include", "runtime/base/A.cpp", "#include <cuda.h>\n"),
    ("include", "runtime/plan/A.cpp", "#include <oneapi/tbb.h>\n"),
    ("include", "runtime/include/fovea/a.h", '#include "runtime/base/A.h"\n'),
    ("include", "codegen/jit/A.cpp", '#include "tools/fovea/Main.h"\n'),
    ("include", "tools/fovea/A.cpp", '#include "test/support/Npy.h"\n'),
    ("include", "passes/attn/A.cpp", '#include "SplitKV.h"\n'),
    ("include", "test/support/NaiveAttention.h", "#include <fovea/abi.h>\n"),
    ("spdx", "passes/attn/A.cpp", None),
    ("length", "passes/attn/A.cpp", "int a;\n" * 900),
    ("path", "bench/a.sh", "cd /ho" "me/someone/fovea\n"),
    ("leftover", "passes/attn/A.cpp", "// TO" "DO: later\n"),
    ("leftover", "passes/attn/A.cpp", "<" * 7 + " HEAD\n"),
]


def check(files):
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)),
                        exist_ok=True)
            with open(os.path.join(root, path), "w") as stream:
                stream.write(text)
        done = subprocess.run([sys.executable, CHECK, root],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout


def main():
    good = {path: ID + text for path, text in GOOD.items()}
    code, out = check(good)
    if code:
        sys.exit(f"the good tree was refused:\n{out}")
    if check({})[0] == 0:
        sys.exit("an empty tree was accepted")
    for rule, path, text in FAULTS:
        seeded = dict(good)
        seeded[path] = "int a;\n" if text is None else ID + text
        code, out = check(seeded)
        hits = [line for line in out.splitlines() if f": {rule}: " in line]
        if code != 1 or len(hits) != 1 or not hits[0].startswith(path):
            sys.exit(f"not found: {rule} in {path}: {text!r}\n{out}")
    print(f"{len(FAULTS)} seeded faults found")


main()
