# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Builds one C file with what pkg-config says about fovea-rt.

usage: pkg_config_build.py PREFIX CC SOURCE OUTPUT [LIBRARY...]
"""
import os
import subprocess
import sys

prefix, compiler, source, output, *more = sys.argv[1:]
os.environ["PKG_CONFIG_PATH"] = os.path.join(prefix, "lib", "pkgconfig")
flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fovea-rt"],
                       check=True, capture_output=True, text=True).stdout
words = flags.split()
subprocess.run([compiler, "-std=c11", source, "-o", output] + words + more,
               check=True)
