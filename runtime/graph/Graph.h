// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A fixed list of nodes over buffers that share memory.
#ifndef FOVEA_RUNTIME_GRAPH_GRAPH_H
#define FOVEA_RUNTIME_GRAPH_GRAPH_H

#include "runtime/base/Array.h"
#include "runtime/plan/Plan.h"

namespace fovea::rt {

/// What an id names: a tensor or a scalar.
struct GraphValue {
  bool scalar = false;
  fovea_value value{}; // scalar
  DLDataType dtype{};
  int32_t rank = 0;
  int64_t most[FOVEA_ABI_MAX_RANK] = {};
  int32_t rowAxis = -1;
  int32_t external = -1;                  // index among the externals
  int32_t first = -1, last = -1;          // nodes that use it
  bool written = false;                   // while building: by a node so far
  int64_t offset = 0, bytes = 0;          // internal: place in the memory
  int64_t shape[FOVEA_ABI_MAX_RANK] = {}; // of the present run
};

struct GraphNode {
  fovea_plan *plan = nullptr; // retained; NULL: a call
  int32_t layer = 0;
  bool updates = false; // the first node of its plan
  fovea_graph_fn fn = nullptr;
  bool capturable = false; // fn only enqueues
  void *user = nullptr;
  uint32_t first = 0, count = 0; // of ids
};

class GpuGraph;

} // namespace fovea::rt

struct fovea_graph {
  explicit fovea_graph(fovea_ctx *ctx) : ctx(ctx) {}
  ~fovea_graph();

  fovea::rt::Ref<fovea_ctx> ctx;
  fovea::rt::Array<fovea::rt::GraphValue> values;
  fovea::rt::Array<fovea::rt::GraphNode> nodes;
  fovea::rt::Array<int32_t> ids;
  int32_t externals = 0;

  // From finish on; `tensors` are of the present run, one per value.
  bool finished = false;
  fovea::rt::Array<DLTensor> tensors;
  fovea::rt::Array<fovea_value> args;              // one per entry of ids
  fovea::rt::Array<const fovea_tensor *> pointers; // one per entry of ids
  char *memory = nullptr;
  int64_t bytes = 0;
  int64_t workspace = 0;              // offset
  fovea::rt::GpuGraph *gpu = nullptr; // owns the memory, NULL on the CPU
};

#endif // FOVEA_RUNTIME_GRAPH_GRAPH_H
