#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that the labels of constraints are kept together.

For whoever adds a diagnostic to the language: a label like attention_c3 that a
diagnostic of a dialect or of the spec loader carries must be explained in
docs/spec.md and expected by a test, and docs/spec.md must name no label that
nothing emits (a composite one says whose labels it stands for). Prints what is
wrong and exits with 1 if anything is.

usage: check-labels.py [ROOT]
"""
import os
import re
import sys

ROOT = sys.argv[1] if len(sys.argv) > 1 else "."
# Constraints that say "as in other labels": the others are what is emitted.
COMPOSITE = {"score_c1", "assign_c1"}
# In a message, or passed on its own to a function that completes one.
EMITTED = re.compile(r"\b([a-z][a-z0-9]*_c\d+)(?:\]|\")")
NAMED = re.compile(r"\b([a-z][a-z0-9]*_c\d+)\b")
EXPECTED = re.compile(r"\[([a-z][a-z0-9]*_c\d+)\]")


def texts(folder, suffixes):
    for where, _, names in os.walk(os.path.join(ROOT, folder)):
        for name in sorted(names):
            if name.endswith(suffixes):
                with open(os.path.join(where, name), encoding="utf-8") as file:
                    yield file.read()


def labels(pattern, folder, suffixes):
    return {label for text in texts(folder, suffixes)
            for label in pattern.findall(text)}


def main():
    emitted = labels(EMITTED, "dialects", (".cpp",)) | labels(
        EMITTED, "passes/pipelines", (".cpp",))
    tested = labels(EXPECTED, "test", (".mlir", ".cpp", ".test"))
    with open(os.path.join(ROOT, "docs/spec.md"), encoding="utf-8") as file:
        named = set(NAMED.findall(file.read()))
    faults = ["%s: a diagnostic has it, docs/spec.md does not" % label
              for label in sorted(emitted - named)]
    faults += ["%s: no test expects it" % label
               for label in sorted(emitted - tested)]
    faults += ["%s: docs/spec.md has it, no diagnostic does" % label
               for label in sorted(named - emitted - COMPOSITE)]
    for fault in faults:
        print(fault)
    print("check-labels: %d labels, %d faults" % (len(emitted), len(faults)))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
