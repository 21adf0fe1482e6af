# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs a command on every file of a folder and reports the refused ones.

usage: run_examples.py FOLDER COMMAND...
"""
import os
import subprocess
import sys

folder, command = sys.argv[1], sys.argv[2:]
refused = 0
names = sorted(os.listdir(folder))
for name in names:
    done = subprocess.run(command + [os.path.join(folder, name)],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        refused += 1
        print(done.stderr)
print(f"{len(names)} examples, {refused} refused")
sys.exit(1 if refused or not names else 0)
