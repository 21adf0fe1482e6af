# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""libfovea-rt by ctypes, as much as benchmarks in Python need: compile a spec,
plan a call, run it; and what the driver says of one. For the scripts of bench
and bench/peers; needs nothing but the standard library. Memory of tensors is
the caller's.
"""
import ctypes as c
import json
import os
import subprocess
import time

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                     ".."))
API = 1 << 16 | 1
TENSOR, SCALAR = 0, 1
# DLPack's code and bits; bench only uses these.
DTYPES = {"f32": (2, 32), "f16": (2, 16), "bf16": (4, 16), "i8": (0, 8),
          "i32": (0, 32), "i64": (0, 64), "i1": (6, 8)}


class Failed(Exception):
    """A call of the library that failed; the text is fovea_message()."""


class DLTensor(c.Structure):
    _fields_ = [("data", c.c_void_p), ("device", c.c_int32 * 2),
                ("ndim", c.c_int32), ("code", c.c_uint8), ("bits", c.c_uint8),
                ("lanes", c.c_uint16), ("shape", c.POINTER(c.c_int64)),
                ("strides", c.POINTER(c.c_int64)), ("offset", c.c_uint64)]


class Union(c.Union):
    _fields_ = [("tensor", c.POINTER(DLTensor)), ("i", c.c_int64),
                ("f", c.c_double)]


class Value(c.Structure):
    _fields_ = [("kind", c.c_int32), ("u", Union)]


class Executor(c.Structure):
    _fields_ = [("size", c.c_uint32), ("workers", c.c_int32),
                ("user", c.c_void_p), ("parallel_for", c.c_void_p),
                ("destroy", c.c_void_p)]


ALLOC = c.CFUNCTYPE(c.c_void_p, c.c_void_p, c.c_uint64, c.c_size_t, c.c_size_t)
FREE = c.CFUNCTYPE(None, c.c_void_p, c.c_uint64, c.c_void_p)


class Options(c.Structure):
    _fields_ = [("size", c.c_uint32), ("workers", c.c_int32),
                ("exec", Executor), ("log", c.c_void_p),
                ("log_user", c.c_void_p), ("alloc", ALLOC), ("free", FREE),
                ("alloc_user", c.c_void_p), ("target", c.c_char_p)]


class JitInfo(c.Structure):
    _fields_ = [("size", c.c_uint32), ("cache_hit", c.c_int32),
                ("total_ms", c.c_double), ("compile_ms", c.c_double),
                ("key", c.c_char * 33)]


class JitOptions(c.Structure):
    _fields_ = [("size", c.c_uint32), ("n_defines", c.c_int32),
                ("defines", c.POINTER(c.c_char_p)), ("targets", c.c_char_p),
                ("tuning", c.c_char_p), ("cache_dir", c.c_char_p),
                ("library", c.c_char_p), ("diag", c.c_void_p),
                ("user", c.c_void_p), ("cancel", c.c_void_p),
                ("info", c.POINTER(JitInfo))]


class ArgInfo(c.Structure):
    _fields_ = [("size", c.c_uint32), ("kind", c.c_int32),
                ("dtype", c.c_int32), ("rank", c.c_int32),
                ("is_result", c.c_int32), ("name", c.c_char_p),
                ("shape", c.c_int64 * 8), ("dims", c.c_char_p * 8)]


class DimLimit(c.Structure):
    _fields_ = [("name", c.c_char_p), ("extent", c.c_int64)]


class PlanLimits(c.Structure):
    _fields_ = [("size", c.c_uint32), ("workers", c.c_int32),
                ("rows", c.c_int64), ("seqs", c.c_int64),
                ("max_len", c.c_int64), ("deterministic", c.c_int32),
                ("concurrent", c.c_int32), ("n_dims", c.c_int32),
                ("no_sharing", c.c_int32), ("dims", c.POINTER(DimLimit))]


class Stats(c.Structure):
    _fields_ = [("size", c.c_uint32), ("reserved", c.c_uint32)] + [
        (name, c.c_int64) for name in (
            "items", "slots", "tiles_empty", "tiles_partial", "tiles_full",
            "pairs", "flops_executed", "bounds_calls", "class_calls",
            "keep_calls", "stats_class_calls")] + [
        ("update_ms", c.c_double), ("kv_bytes", c.c_int64),
        ("shared_groups", c.c_int64), ("shared_keys", c.c_int64)]


class Counters(c.Structure):
    _fields_ = [("size", c.c_uint32), ("reserved", c.c_uint32)] + [
        (name, c.c_int64)
        for name in ("tiles_full", "tiles_partial", "pairs", "items")]


class PhaseInfo(c.Structure):
    _fields_ = [("size", c.c_uint32), ("space", c.c_uint32),
                ("stage", c.c_char_p), ("variant", c.c_char_p),
                ("schedule", c.c_char_p), ("rows", c.c_int32),
                ("keys", c.c_int32), ("n_items", c.c_int64),
                ("items", c.c_void_p), ("cost_total", c.c_double),
                ("cost_longest", c.c_double), ("class_rows", c.c_int32),
                ("reserved", c.c_int32), ("sources", c.c_void_p),
                ("shared_rows", c.c_void_p), ("n_parts", c.c_int32),
                ("reserved2", c.c_int32), ("costs", c.POINTER(c.c_int64))]


def sized(kind):
    """A zeroed struct that knows its size."""
    made = kind()
    made.size = c.sizeof(kind)
    return made


def tensor(pointer, dtype, shape):
    """A DLTensor over memory that the caller keeps."""
    t = DLTensor()
    t.data, t.ndim, t.lanes = pointer, len(shape), 1
    t.device[0] = 1
    t.code, t.bits = DTYPES[dtype]
    t.shape = (c.c_int64 * len(shape))(*shape)
    return t


class Kernel:
    """A compiled kernel; `ms` is the time of the whole compile."""

    def __init__(self, library, handle, ms):
        self.library, self.handle, self.ms = library, handle, ms
        self.arguments = []
        for i in range(library.rt.fovea_kernel_args(handle)):
            info = sized(ArgInfo)
            library.check(library.rt.fovea_kernel_arg(handle, i,
                                                      c.byref(info)))
            self.arguments.append(info)

    def release(self):
        self.library.rt.fovea_kernel_release(self.handle)


class Plan:
    """A plan of one call, updated; `bytes` is what it allocated."""

    def __init__(self, kernel, values, rows, max_len, dims=(), workers=0):
        self.library, rt = kernel.library, kernel.library.rt
        self.args = (Value * len(values))()
        self.keep = values
        for slot, value in zip(self.args, values):
            if isinstance(value, DLTensor):
                slot.kind, slot.u.tensor = TENSOR, c.pointer(value)
            else:
                slot.kind, slot.u.i = SCALAR, value
        limits = sized(PlanLimits)
        limits.rows, limits.seqs, limits.max_len = rows, 1, max_len
        limits.workers = workers
        table = (DimLimit * max(1, len(dims)))(*[
            DimLimit(name.encode(), extent) for name, extent in dims])
        limits.n_dims, limits.dims = len(dims), table
        self.handle = c.c_void_p()
        before = self.library.allocated
        self.library.check(rt.fovea_plan_create(kernel.handle, c.byref(limits),
                                                c.byref(self.handle)))
        self.bytes = self.library.allocated - before
        self.workspace = None
        self.update()

    def update(self):
        """Plans again; the time in milliseconds."""
        start = time.perf_counter()
        self.library.check(self.library.rt.fovea_plan_update(
            self.handle, None, self.args, len(self.args)))
        return (time.perf_counter() - start) * 1e3

    def stats(self):
        stats = sized(Stats)
        self.library.check(self.library.rt.fovea_plan_stats(
            self.handle, -1, c.byref(stats)))
        return stats

    def counters(self):
        """What runs did since the last call of this."""
        counters = sized(Counters)
        self.library.check(self.library.rt.fovea_plan_counters(
            self.handle, c.byref(counters), 1))
        return counters

    def phase(self, number=0):
        info = sized(PhaseInfo)
        self.library.check(self.library.rt.fovea_plan_phase(
            self.handle, number, c.byref(info)))
        return info

    def run(self):
        rt = self.library.rt
        if self.workspace is None:
            size = rt.fovea_plan_workspace(self.handle)
            self.memory = c.create_string_buffer(size + 128)
            self.workspace = c.c_void_p((c.addressof(self.memory) + 63) & -64)
        self.library.check(rt.fovea_run(self.handle, 0, self.args,
                                        len(self.args), self.workspace, None))

    def run_item(self, phase, item):
        """One item alone, on the calling thread."""
        self.library.check(self.library.rt.fovea_run_items(
            self.handle, 0, phase, c.c_int64(item), c.c_int64(item + 1), 0,
            self.args, len(self.args), self.workspace))

    def destroy(self):
        self.library.rt.fovea_plan_destroy(self.handle)


class Library:
    """One context of libfovea-rt on its own threads, which compiles for one
    target, if it is named, else for this machine."""

    def __init__(self, threads=1, folder=None, target=None):
        self.target = target.encode() if target else None
        folder = folder or os.path.join(ROOT, "build", "release", "lib")
        path = os.path.join(folder, "libfovea-rt.so")
        if not os.path.exists(path):
            raise Failed(f"no {path}; build it: "
                         "cmake --preset release && ninja -C build/release fovea")
        self.rt = rt = c.CDLL(path)
        for name in ("fovea_message", "fovea_version", "fovea_host_target"):
            getattr(rt, name).restype = c.c_char_p
        rt.fovea_plan_workspace.restype = c.c_size_t
        for name in ("fovea_plan_workspace", "fovea_plan_destroy",
                     "fovea_kernel_release", "fovea_kernel_args",
                     "fovea_bundle_close"):
            getattr(rt, name).argtypes = [c.c_void_p]
        self.allocated, self.blocks = 0, {}
        options = sized(Options)
        options.workers = threads
        make = rt.fovea_executor_serial if threads == 1 else None
        if make:
            self.check(make(c.byref(options.exec)))
        else:
            self.check(rt.fovea_executor_threads(threads,
                                                 c.byref(options.exec)))
        # Plans allocate through these: what one takes is counted.
        self.callbacks = ALLOC(self._alloc), FREE(self._free)
        options.alloc, options.free = self.callbacks
        self.handle = c.c_void_p()
        self.check(rt.fovea_open(API, c.byref(options), c.byref(self.handle)))

    def _alloc(self, _user, _device, size, align):
        align = max(align, 64)
        memory = c.create_string_buffer(size + align)
        at = (c.addressof(memory) + align - 1) // align * align
        self.blocks[at] = memory
        self.allocated += size
        return at

    def _free(self, _user, _device, at):
        self.blocks.pop(at, None)

    def check(self, status):
        if status:
            raise Failed(self.rt.fovea_message().decode())

    def describe(self):
        return (f"Fovea {self.rt.fovea_version().decode()} for "
                f"{self.rt.fovea_host_target().decode()}")

    def compile(self, text, name="spec.mlir", tuning=None, **defines):
        """The only kernel of a spec, compiled anew: no cache is used."""
        words = [f"{key}={value}".encode() for key, value in defines.items()]
        options, info = sized(JitOptions), sized(JitInfo)
        options.n_defines = len(words)
        options.defines = (c.c_char_p * max(1, len(words)))(*words)
        options.cache_dir, options.info = b"", c.pointer(info)
        options.tuning = tuning.encode() if tuning else None
        options.targets = self.target
        bundle, kernel = c.c_void_p(), c.c_void_p()
        source = text.encode()
        self.check(self.rt.fovea_jit_compile(
            self.handle, name.encode(), source, c.c_size_t(len(source)),
            c.byref(options), c.byref(bundle)))
        device = c.c_uint64(1)  # fovea_device {kDLCPU, 0}, by value
        self.check(self.rt.fovea_kernel_get(bundle, None, device,
                                            c.byref(kernel)))
        self.rt.fovea_bundle_close(bundle)
        return Kernel(self, kernel, info.total_ms)


def driver(command, path, shape, words, **defines):
    """What `command` (a `fovea`, its verb and options) says as JSON of the spec
    at `path`, called with `shape` and the options `words`."""
    command = [*command, path, "--json", "--shape=" +
               ",".join(f"{dim}={n}" for dim, n in shape.items()), *words]
    for name, value in defines.items():
        command += ["-D", f"{name}={value}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True,
                              check=False)
    except OSError as reason:
        raise Failed(f"expected a fovea that runs, got {reason}") from None
    if done.returncode:
        raise Failed(done.stderr.strip().splitlines()[0])
    return json.loads(done.stdout)
