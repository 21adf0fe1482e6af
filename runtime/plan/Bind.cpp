// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From DLTensors to the views that kernels read, and every check that a
// caller's arguments get. The run-time half is on the path of each layer: it
// compares with the shapes of the update and does no more.
#include "runtime/base/Status.h"
#include "runtime/cuda/Kernel.h"
#include "runtime/plan/Plan.h"

namespace fovea::rt {
namespace {

fovea_dtype dtypeOf(DLDataType t) {
  if (t.lanes != 1)
    return FOVEA_DTYPE_NONE;
  static constexpr struct {
    uint8_t code, bits;
    fovea_dtype dtype;
  } known[] = {
      {kDLFloat, 32, FOVEA_DTYPE_F32},     {kDLFloat, 16, FOVEA_DTYPE_F16},
      {kDLBfloat, 16, FOVEA_DTYPE_BF16},   {kDLFloat, 64, FOVEA_DTYPE_F64},
      {kDLInt, 8, FOVEA_DTYPE_I8},         {kDLUInt, 8, FOVEA_DTYPE_U8},
      {kDLInt, 32, FOVEA_DTYPE_I32},       {kDLInt, 64, FOVEA_DTYPE_I64},
      {FOVEA_DL_BOOL, 8, FOVEA_DTYPE_BOOL}};
  for (auto [code, bits, dtype] : known)
    if (t.code == code && t.bits == bits)
      return dtype;
  return FOVEA_DTYPE_NONE;
}

bool isFloat(uint32_t dtype) {
  return dtype == FOVEA_DTYPE_F32 || dtype == FOVEA_DTYPE_F16 ||
         dtype == FOVEA_DTYPE_BF16 || dtype == FOVEA_DTYPE_F64;
}

/// Who reads a tensor's data.
enum class Memory { None, Host, Device };

/// Whether the memory of a tensor is where its data is read. CUDA's pinned and
/// managed memory is in both places.
fovea_status checkMemory(const fovea_kernel &kernel, const char *name,
                         DLDevice device, Memory reader) {
  constexpr int pinned = 3, managed = 13; // DLPack's
  int type = device.device_type;
  if (!kernel.gpu)
    return type == kDLCPU
               ? FOVEA_OK
               : fail(FOVEA_INVALID,
                      "argument '%s': expected memory of the CPU (device type "
                      "%d), got device type %d",
                      name, kDLCPU, type);
  if (reader == Memory::None || type == pinned || type == managed)
    return FOVEA_OK;
  if (reader == Memory::Host && type != kDLCPU)
    return fail(FOVEA_INVALID,
                "argument '%s': expected memory that the planner reads, of the "
                "CPU (device type %d), pinned (%d) or managed (%d), got device "
                "type %d",
                name, kDLCPU, pinned, managed, type);
  const GpuDevice &gpu = *kernel.gpu->device;
  if (reader == Memory::Device &&
      (type != kDLCUDA || device.device_id != gpu.id))
    return fail(FOVEA_INVALID,
                "argument '%s': expected memory of GPU %d (device type %d), "
                "got device type %d, number %d",
                name, gpu.id, kDLCUDA, type, device.device_id);
  return FOVEA_OK;
}

/// What both halves check of a tensor argument, and its view. Extents are
/// compared by the caller.
fovea_status bindTensor(const fovea_kernel &kernel, uint32_t i,
                        const fovea_value &value, bool needsData, Memory memory,
                        fovea_abi_view &view) {
  const fovea_bundle_arg &a = kernel.args[i];
  const char *name = kernel.argName(i);
  const fovea_tensor *t = value.u.tensor;
  if (!t)
    return fail(FOVEA_INVALID, "argument '%s': expected a tensor, got NULL",
                name);
  if (fovea_status st = checkMemory(kernel, name, t->device, memory))
    return st;
  if (dtypeOf(t->dtype) != a.dtype)
    return fail(FOVEA_INVALID,
                "argument '%s': expected elements of %s, got %s (code %d, %d "
                "bits, %d lanes)",
                name, dtypeName(a.dtype), dtypeName(dtypeOf(t->dtype)),
                t->dtype.code, t->dtype.bits, t->dtype.lanes);
  if (t->ndim != int(a.rank))
    return fail(FOVEA_INVALID, "argument '%s': expected rank %u, got %d", name,
                a.rank, t->ndim);
  if (a.rank && !t->shape)
    return fail(FOVEA_INVALID, "argument '%s': expected a shape, got NULL",
                name);
  bool empty = false;
  int64_t dense = 1; // row-major
  for (uint32_t d = a.rank; d-- > 0;) {
    int64_t extent = t->shape[d];
    view.shape[d] = extent;
    view.stride[d] = t->strides ? t->strides[d] : dense;
    empty |= extent == 0;
    if (extent < 0 ||
        __builtin_mul_overflow(dense, extent ? extent : 1, &dense))
      return fail(FOVEA_INVALID,
                  "argument '%s': expected dim %u to be an extent, got %lld",
                  name, d, (long long)extent);
    if (!t->strides || extent <= 1)
      continue;
    int64_t stride = t->strides[d];
    if (d + 1 == a.rank ? stride != 1 : stride < (a.is_result ? 1 : 0))
      return fail(FOVEA_INVALID,
                  "argument '%s': expected the stride of dim %u to be %s, got "
                  "%lld",
                  name, d,
                  d + 1 == a.rank ? "1"
                  : a.is_result   ? "positive"
                                  : "at least 0",
                  (long long)stride);
  }
  if (a.rank && t->shape[a.rank - 1] <= 1)
    view.stride[a.rank - 1] = 1;
  view.data = t->data ? static_cast<char *>(t->data) + t->byte_offset : nullptr;
  if (!view.data && needsData && !empty)
    return fail(FOVEA_INVALID, "argument '%s': expected data, got NULL", name);
  if (reinterpret_cast<uintptr_t>(view.data) % dtypeSize(a.dtype))
    return fail(FOVEA_INVALID,
                "argument '%s': expected data aligned to %u bytes, got %p",
                name, dtypeSize(a.dtype), view.data);
  return FOVEA_OK;
}

/// Whether runs never look at the tensor: lengths and offsets.
bool isSnapshot(const fovea_kernel &kernel, const fovea_bundle_arg &a) {
  bool planned = false;
  for (const fovea_bundle_stage &s : kernel.stages)
    planned |=
        s.space == FOVEA_SPACE_STREAM &&
        (s.offset_slot == int32_t(a.slot) || s.length_slot == int32_t(a.slot));
  for (const fovea_bundle_mask &m : kernel.masks)
    planned &= !(m.reads >> a.slot & 1);
  return planned;
}

fovea_status bindScalar(const fovea_bundle_arg &a, const fovea_value &value,
                        fovea_abi_scalar &scalar) {
  if (isFloat(a.dtype))
    scalar.f = value.u.f;
  else
    scalar.i = value.u.i;
  return FOVEA_OK;
}

fovea_status checkKinds(const fovea_kernel &kernel, const fovea_value *args,
                        int n) {
  if (n != int(kernel.args.size()) || (n && !args))
    return fail(FOVEA_INVALID,
                "kernel '%s': expected %u arguments (results included), got %d",
                kernel.name(), kernel.args.size(), args ? n : 0);
  for (int i = 0; i < n; ++i) {
    uint32_t kind = kernel.args[size_t(i)].kind;
    int want = kind == FOVEA_ARG_SCALAR  ? FOVEA_SCALAR
               : kind == FOVEA_ARG_CACHE ? FOVEA_CACHE
                                         : FOVEA_TENSOR;
    static const char *const names[] = {"a tensor", "a scalar", "a cache",
                                        "a list"};
    int got = args[i].kind;
    if (got != want)
      return fail(FOVEA_INVALID, "argument '%s': expected %s, got %s",
                  kernel.argName(size_t(i)), names[want],
                  got >= 0 && got < 4 ? names[got] : "an unknown kind");
  }
  return FOVEA_OK;
}

/// Compares an extent with the type and with the other arguments that name
/// the same dim.
fovea_status bindExtent(fovea_plan &plan, uint32_t i, uint32_t d, int64_t got,
                        int16_t *definedBy) {
  const fovea_kernel &kernel = *plan.kernel.get();
  const fovea_bundle_arg &a = kernel.args[i];
  int32_t symbol = a.symbol[d];
  const char *dim = symbol >= 0 ? kernel.symbolName(size_t(symbol)) : "";
  if (a.shape[d] >= 0 && got != a.shape[d])
    return fail(FOVEA_INVALID,
                "argument '%s': expected dim %u%s%s%s to be %lld, got %lld",
                kernel.argName(i), d, *dim ? " ('" : "", dim, *dim ? "')" : "",
                (long long)a.shape[d], (long long)got);
  if (symbol < 0)
    return FOVEA_OK;
  if (plan.capacity.ofBatch[symbol]) {
    if (plan.symbols[symbol] == got)
      return FOVEA_OK;
    return fail(FOVEA_INVALID,
                "argument '%s': expected dim %u ('%s') to be %lld as in the "
                "batch, got %lld",
                kernel.argName(i), d, dim, (long long)plan.symbols[symbol],
                (long long)got);
  }
  if (definedBy[symbol] < 0) {
    definedBy[symbol] = int16_t(i);
    plan.symbols[symbol] = got;
    return FOVEA_OK;
  }
  if (plan.symbols[symbol] != got)
    return fail(FOVEA_INVALID,
                "argument '%s': expected dim %u ('%s') to be %lld as in "
                "argument '%s', got %lld",
                kernel.argName(i), d, dim, (long long)plan.symbols[symbol],
                kernel.argName(size_t(definedBy[symbol])), (long long)got);
  return FOVEA_OK;
}

fovea_status checkCapacity(const fovea_plan &plan) {
  const fovea_kernel &kernel = *plan.kernel.get();
  const Capacity &caps = plan.capacity;
  for (uint32_t i = 0; i < kernel.symbols.size(); ++i)
    if (plan.symbols[i] > caps.most[i])
      return fail(FOVEA_INVALID,
                  "kernel '%s': expected dim '%s' to be at most %lld (the "
                  "plan's capacity), got %lld",
                  kernel.name(), kernel.symbolName(i), (long long)caps.most[i],
                  (long long)plan.symbols[i]);
  for (const fovea_bundle_stage &s : kernel.stages) {
    if (s.space != FOVEA_SPACE_STREAM || caps.named[s.q_symbol] || plan.ragged)
      continue;
    Extent rows = plan.extent(s.grid[0]) * Extent{plan.symbols[s.q_symbol]};
    if (!rows.ok || rows.value > caps.rows)
      return fail(FOVEA_INVALID,
                  "kernel '%s': expected at most %lld rows of all sequences "
                  "(the plan's capacity), got %lld",
                  kernel.name(), (long long)caps.rows, (long long)rows.value);
  }
  return FOVEA_OK;
}

} // namespace

fovea_status checkKinds(const fovea_plan &plan, const fovea_value *args,
                        int n) {
  return checkKinds(*plan.kernel.get(), args, n);
}

fovea_status bindUpdate(fovea_plan &plan, const fovea_value *args, int n) {
  const fovea_kernel &kernel = *plan.kernel.get();
  uint64_t reads = 0;
  for (const fovea_bundle_mask &m : kernel.masks)
    reads |= m.reads;
  int16_t definedBy[maxSymbols];
  std::memset(definedBy, -1, sizeof definedBy);
  Bound &out = plan.planned;
  out.abi = {sizeof out.abi, kernel.record->n_views, out.views, out.scalars,
             nullptr,        kernel.device};
  for (uint32_t i = 0; i < uint32_t(n); ++i) {
    const fovea_bundle_arg &a = kernel.args[i];
    if (a.kind == FOVEA_ARG_SCALAR)
      bindScalar(a, args[i], out.scalars[a.slot]);
    if (a.kind != FOVEA_ARG_TENSOR)
      continue;
    bool needsData =
        !a.is_result && (!isFloat(a.dtype) || (reads >> a.slot & 1));
    fovea_abi_view &view = out.views[a.slot];
    if (fovea_status st =
            bindTensor(kernel, i, args[i], needsData,
                       needsData ? Memory::Host : Memory::None, view))
      return st;
    for (uint32_t d = 0; d < a.rank; ++d) {
      if (fovea_status st = bindExtent(plan, i, d, view.shape[d], definedBy))
        return st;
      plan.argShape[i][d] = view.shape[d];
    }
  }
  return checkCapacity(plan);
}

fovea_status bindRun(const fovea_plan &plan, int layer, const fovea_value *args,
                     int n, void *workspace, Bound &out) {
  const fovea_kernel &kernel = *plan.kernel.get();
  if (fovea_status st = checkKinds(kernel, args, n))
    return st;
  out.abi = {sizeof out.abi, kernel.record->n_views, out.views, out.scalars,
             nullptr,        kernel.device};
  for (uint32_t i = 0; i < uint32_t(n); ++i) {
    const fovea_bundle_arg &a = kernel.args[i];
    if (a.kind == FOVEA_ARG_SCALAR) {
      bindScalar(a, args[i], out.scalars[a.slot]);
      continue;
    }
    if (a.kind == FOVEA_ARG_CACHE) {
      if (fovea_status st = bindCache(plan, i, args[i], layer, out))
        return st;
      continue;
    }
    fovea_abi_view &view = out.views[a.slot];
    bool unread = kernel.gpu && isSnapshot(kernel, a);
    if (fovea_status st =
            bindTensor(kernel, i, args[i], true,
                       unread ? Memory::None : Memory::Device, view))
      return st;
    if (unread)
      view.data = nullptr; // may be the host's
    for (uint32_t d = 0; d < a.rank; ++d)
      if (view.shape[d] != plan.argShape[i][d])
        return fail(FOVEA_STALE,
                    "argument '%s': expected dim %u to be %lld as planned, got "
                    "%lld; update the plan",
                    kernel.argName(i), d, (long long)plan.argShape[i][d],
                    (long long)view.shape[d]);
  }
  bindTables(plan, out);
  if (reinterpret_cast<uintptr_t>(workspace) % 64 ||
      (plan.workspaceBytes && !workspace))
    return fail(FOVEA_INVALID,
                "expected a workspace of %lld bytes aligned to 64, got %p",
                (long long)plan.workspaceBytes, workspace);
  for (uint32_t i = 0; i < kernel.buffers.size(); ++i) {
    const fovea_bundle_buffer &w = kernel.buffers[i];
    const Placed &placed = plan.buffers[i];
    fovea_abi_view &view = out.views[w.slot];
    view.data = static_cast<char *>(workspace) + placed.offset;
    int64_t stride = 1;
    for (uint32_t d = w.rank; d-- > 0;) {
      view.shape[d] = placed.shape[d];
      view.stride[d] = stride;
      stride *= placed.shape[d];
    }
    if (placed.slotStride)
      view.stride[0] = placed.slotStride;
  }
  return FOVEA_OK;
}

} // namespace fovea::rt
