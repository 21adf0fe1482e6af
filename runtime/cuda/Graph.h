// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A graph on a GPU: captured once, then replayed with what the plans' updates
// and the externals of a run put into memory that stays.
#ifndef FOVEA_RUNTIME_CUDA_GRAPH_H
#define FOVEA_RUNTIME_CUDA_GRAPH_H

#include "runtime/cuda/Plan.h"
#include "runtime/graph/Graph.h"

namespace fovea::rt {

/// What a host function saw of a tensor.
struct SeenTensor {
  void *data;
  uint64_t offset;
  int64_t shape[FOVEA_ABI_MAX_RANK], stride[FOVEA_ABI_MAX_RANK];
};

class GpuGraph {
public:
  GpuGraph(fovea_graph &graph, const GpuDevice &device)
      : graph(graph), device(device) {}
  ~GpuGraph();

  /// The buffers and the arguments of each node.
  fovea_status create();
  /// Runs the nodes; their plans are updated and the externals bound.
  fovea_status run(fovea_stream stream);

  fovea_graph &graph;
  const GpuDevice &device;

private:
  fovea_status arguments(fovea_stream stream);
  fovea_status enqueue(bool all, fovea_stream stream);
  fovea_status capture(fovea_stream stream);
  fovea_status finish(fovea_stream stream);
  bool sameCalls();
  void forget();
  /// The lane of a node's plan on the stream of the run.
  fovea_status laneOf(const GraphNode &node, fovea_stream stream,
                      GpuLane *&out);
  /// Forgets a capture with lanes that other streams have taken since.
  fovea_status takeLanes(fovea_stream stream);
  bool isFirst(size_t node) const;

  char *memory = nullptr;  ///< on the device: a GpuArgs for each node
  Array<GpuArgs> sent;     ///< what is there
  Array<SeenTensor> calls; ///< by id of a node, when captured
  Array<GpuLane *> lanes;  ///< by node, of the last run
  bool capturable = true;  ///< every host function only enqueues
  void *executable = nullptr;
  fovea_stream stream = nullptr; ///< of the capture: its lanes are in it
  fovea_stream last = nullptr;   ///< of the last run
  void *ran = nullptr;           ///< event: behind the last run
};

/// The GPU of a graph's kernels, or NULL; fails where they are on several
/// devices.
fovea_status deviceOf(const fovea_graph &graph, const GpuDevice *&out);

} // namespace fovea::rt

#endif // FOVEA_RUNTIME_CUDA_GRAPH_H
