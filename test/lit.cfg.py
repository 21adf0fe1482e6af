# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# lit's configuration: which files are tests, which tools they may call, and
# which features of the machine and the build they may require.
#
# Parameters (lit -D name=value): roundtrip=1 runs every fovea-opt with
# --verify-roundtrip, so that each test is a printer and parser test as well.
import os
import shutil

import lit.formats

config.name = "fovea"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
# GoogleTest programs and helpers live beside the lit tests.
config.excludes = ["Inputs", "unit", "support", "fuzz", "CMakeLists.txt"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.fovea_build_dir, "test")

bin_dir = os.path.join(config.fovea_build_dir, "bin")
config.environment["PATH"] = os.pathsep.join(
    [bin_dir, config.llvm_tools_dir, config.environment["PATH"]])
config.environment["FILECHECK_OPTS"] = "--enable-var-scope"
# The tests must neither read nor fill the cache of the person who runs them.
config.environment["FOVEA_CACHE_DIR"] = os.path.join(
    config.test_exec_root, "cache")
config.environment["PYTHONDONTWRITEBYTECODE"] = "1"
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

config.substitutions += [
    ("%root", config.fovea_source_dir),
    ("%build", config.fovea_build_dir),
    ("%python", config.python),
    ("%cxx", config.cxx_compiler),
    ("%cc", config.c_compiler),
]
if lit_config.params.get("roundtrip"):
    config.substitutions.append(
        (r"\bfovea-opt\b(?!-)", "fovea-opt --verify-roundtrip"))


def cpu_flags():
    """The CPU's features as the kernel names them."""
    try:
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                if line.startswith("flags"):
                    return set(line.split(":", 1)[1].split())
    except OSError:
        pass
    return set()


flags = cpu_flags()
if {"avx2", "fma", "f16c"} <= flags:
    config.available_features.add("avx2")
if {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"} <= flags:
    config.available_features.add("avx512")
if os.path.exists("/dev/nvidiactl"):
    config.available_features.add("cuda")
# A driver of tests, and the emulator that it runs kernels on.
if all(os.path.exists(os.path.join(config.fovea_build_dir, "lib", name))
       for name in ("fake-cuda.so", "libfovea-emulator.so")):
    config.available_features.add("fake-cuda")
if shutil.which("ptxas") or os.path.exists("/usr/local/cuda/bin/ptxas"):
    config.available_features.add("ptxas")
if shutil.which("dpkg") and os.path.exists("/etc/debian_version"):
    config.available_features.add("dpkg")
for sanitizer in filter(None, config.sanitize.split(",")):
    config.available_features.add(sanitizer)
config.available_features.add(config.build_type.lower())
for tool in ("fovea", "fovea-opt", "fovea-ptx", "fovea-lsp-server"):
    if os.path.exists(os.path.join(bin_dir, tool)):
        config.available_features.add(tool)
