// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Ready-made bundles around the functions of Stages.c, and tensors for them.
#ifndef FOVEA_TEST_SUPPORT_TESTKERNEL_H
#define FOVEA_TEST_SUPPORT_TESTKERNEL_H

#include "test/support/BundleBuilder.h"

#include <fovea/runtime.h>

namespace fovea::test {

/// The order of `table` in Stages.c.
enum class Function {
  Bounds,
  Classify,
  Keep,
  Trap,
  Sum,
  Combine,
  Count,
  Nothing,
  Failing,
  BoundsEnds,
  BoundsWild,
  Busy,
  // Of the caches of cacheKernel(CacheKind).
  AppendPlain,
  AppendKept,
  AppendCoded,
  AppendRich,
  AppendSink,
  MovesCoded,
  MovesRich,
  MovesChain,
  MovesSink,
  PagesKept,
  PagesRich,
  // Of servingKernel.
  ServePlainFew,
  ServePlainMany,
  ServeRichFew,
  ServeRichMany,
  MergePlainFew,
  MergePlainMany,
  MergeRichFew,
  MergeRichMany,
  // Of an emulated GPU.
  CountEmulated,
  StuckEmulated
};

enum { testRows = 8, testKeys = 16 };

/// The flat image, and a function's offset in it.
const std::vector<uint8_t> &testImage();
uint64_t testOffset(Function function);

struct KernelOptions {
  int heads = 2;
  bool masked = true;     // causal and window(w), w a scalar argument
  bool splittable = true; // with a combine stage
  bool lengths = false;   // i32[b] argument
  bool offsets = false;   // i32[b] argument
  bool topLeft = false;   // default offset 0
  int rows = testRows;    // tile of the variant
  int keys = testKeys;
  Function stage = Function::Sum;
  Function bounds = Function::Bounds;
  std::string target = "x86-64";
};

/// Adds code for a GPU to every variant: what the CPU runs, in the form of the
/// fake driver (FakeCuda.h).
void addFakeGpu(BundleBuilder &builder, const std::string &target = "sm_90a");

/// Kernel "sum": o[b, h, q] = sum of v[b, k] over visible k; arguments q, v,
/// w (scalar), [lengths], [offsets], then the result o.
BundleBuilder sumKernel(const KernelOptions &options = {});

/// Kernel "count": one grid stage that adds 1 to each cell of o[b, h, sq];
/// arguments q, v, o.
BundleBuilder countKernel(int heads = 2, Function stage = Function::Count,
                          const std::string &target = "x86-64");

struct CacheOptions {
  int heads = 2, dim = 4;
  std::vector<SegmentSpec> segments = {{FOVEA_SEGMENT_ALL, 0, 16}};
  bool appends = true; // arguments k and v; else the append stage is a service
  Function append = Function::Nothing, pages = Function::Nothing;
  Function moves = Function::Nothing, attend = Function::Nothing;
};

/// Kernel "step" over f32 rows [rows, heads, dim]: arguments q, [v, k,] the
/// cache c, then the result o. Slots: q 0, o 1, the cache's from 2 on, then k
/// and v. Stages: append, [pages,] attend, [moves].
BundleBuilder cacheKernel(const CacheOptions &options = {});

/// Caches whose stages do something.
enum class CacheKind {
  Plain, // all : f32; new rows lie in their final pages
  Kept,  // the same with bounds and means per page
  Coded, // all : int8
  Rich,  // first(3), older : int8 with bounds and means, recent(5) : f32
  Chain, // the same with recent(5) : bf16
  Sink   // first(3), recent(5), the others dropped
};
struct CacheShape {
  int64_t page = 4;    // 0: contiguous
  int64_t newPage = 2; // of `new`; 0: contiguous
  bool tokenMajor = false;
  int heads = 2, dim = 4;
};
CacheOptions cacheOptions(CacheKind kind, const CacheShape &shape = {});

/// A dense f32 or i32 tensor that owns its memory.
class Tensor {
public:
  Tensor(std::vector<int64_t> shape, fovea_dtype dtype = FOVEA_DTYPE_F32,
         double fill = 0);
  Tensor(const Tensor &) = delete;

  float &at(int64_t i) { return reinterpret_cast<float *>(bytes.data())[i]; }
  int32_t &intAt(int64_t i) {
    return reinterpret_cast<int32_t *>(bytes.data())[i];
  }
  int64_t count() const;
  fovea_value value() const { return {FOVEA_TENSOR, {&dl}}; }

  std::vector<int64_t> shape, strides;
  std::vector<char> bytes;
  DLTensor dl{};
};

inline fovea_value integer(int64_t i) {
  fovea_value v{};
  v.kind = FOVEA_SCALAR;
  v.u.i = i;
  return v;
}

} // namespace fovea::test

#endif // FOVEA_TEST_SUPPORT_TESTKERNEL_H
