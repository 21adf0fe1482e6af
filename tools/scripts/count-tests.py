#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Counts single tests in ctest's logs, for the last line of test.sh.

A ctest entry counts as the GoogleTest or lit cases that it reports, or as one
if it reports none. An entry that failed without a failed case (a crash, a time
limit) counts as one failure.

usage: count-tests.py LastTest.log...      prints `PASSED FAILED`
"""
import re
import sys

passed = failed = 0
for path in sys.argv[1:]:
    with open(path, errors="replace") as stream:
        entries = re.split(r"^\d+/\d+ Testing: ", stream.read(), flags=re.M)
    for entry in entries[1:]:
        good = sum(int(n) for pair in re.findall(
            r"^\[  PASSED  \] (\d+) tests?\.|^  Passed\s*: +(\d+) ", entry,
            re.M) for n in pair if n)
        bad = sum(int(n) for pair in re.findall(
            r"^\[  FAILED  \] (\d+) tests?, listed|^  (?:Failed|Unresolved|"
            r"Timed Out)\s*: +(\d+) ", entry, re.M) for n in pair if n)
        if re.search(r"^Test Passed\.$", entry, re.M):
            good += good == 0
        else:
            bad += bad == 0
        passed += good
        failed += bad
print(passed, failed)
