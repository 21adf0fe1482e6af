# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""exit_code.py N COMMAND...: runs it, prints all that it printed, and succeeds
if its exit code is N."""
import subprocess
import sys

result = subprocess.run(sys.argv[2:], stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT, check=False)
sys.stdout.write(result.stdout.decode(errors="replace"))
if result.returncode != int(sys.argv[1]):
    sys.exit(f"expected exit code {sys.argv[1]}, got {result.returncode}")
