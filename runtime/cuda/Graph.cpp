// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Captures and replays graphs.
#include "runtime/cuda/Graph.h"
#include "runtime/base/Status.h"

#include <cstdio>

namespace fovea::rt {

static constexpr size_t argsStride = (sizeof(GpuArgs) + 255) / 256 * 256;

fovea_status deviceOf(const fovea_graph &graph, const GpuDevice *&out) {
  out = nullptr;
  bool first = true;
  for (const GraphNode &node : graph.nodes) {
    if (!node.plan)
      continue;
    const GpuKernel *gpu = node.plan->kernel->gpu;
    const GpuDevice *its = gpu ? gpu->device : nullptr;
    if (!first && its != out)
      return fail(FOVEA_INVALID,
                  "expected the kernels of a graph to be on one device, got "
                  "'%s' on another than those before",
                  node.plan->kernel->name());
    out = its;
    first = false;
  }
  return FOVEA_OK;
}

GpuGraph::~GpuGraph() {
  {
    UseGpu use(device);
    // Its last run may still read what is freed.
    if (!use.status() && memory)
      device.driver->contextSynchronize();
    if (!use.status())
      forget();
    if (!use.status() && ran)
      device.driver->eventDestroy(ran);
  }
  device.deallocate(memory);
  device.deallocate(graph.memory);
}

void GpuGraph::forget() {
  if (executable)
    device.driver->graphExecDestroy(executable);
  executable = nullptr;
}

fovea_status GpuGraph::create() {
  size_t nodes = graph.nodes.size();
  for (const GraphNode &node : graph.nodes)
    capturable &= node.plan || node.capturable;
  if (!sent.create(nodes) || !calls.create(graph.ids.size()) ||
      !lanes.create(nodes))
    return noMemory("a graph's arguments", nodes * sizeof(GpuArgs));
  {
    UseGpu use(device);
    constexpr unsigned withoutTiming = 2;
    if (fovea_status st = use.status() ? use.status()
                                       : FOVEA_CUDA(*device.driver, eventCreate,
                                                    &ran, withoutTiming))
      return st;
  }
  if (fovea_status st = device.allocate("a graph's buffers",
                                        size_t(graph.bytes), graph.memory))
    return st;
  return device.allocate("a graph's arguments", nodes * argsStride, memory);
}

fovea_status GpuGraph::laneOf(const GraphNode &node, fovea_stream on,
                              GpuLane *&out) {
  return node.plan->gpu->lane(on, out);
}

/// Whether no earlier node runs the same plan.
bool GpuGraph::isFirst(size_t i) const {
  for (size_t j = 0; j < i; ++j)
    if (graph.nodes[j].plan == graph.nodes[i].plan)
      return false;
  return graph.nodes[i].plan != nullptr;
}

fovea_status GpuGraph::takeLanes(fovea_stream on) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!graph.nodes[i].plan)
      continue;
    GpuLane *lane = nullptr;
    if (fovea_status st = laneOf(graph.nodes[i], on, lane))
      return fail(st, "node %zu: %s", i, message());
    if (lane != lanes[i])
      forget();
    lanes[i] = lane;
  }
  return FOVEA_OK;
}

/// Copies plans and arguments that have changed.
fovea_status GpuGraph::arguments(fovea_stream on) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const GraphNode &node = graph.nodes[i];
    if (!node.plan)
      continue;
    Bound bound;
    if (fovea_status st =
            bindRun(*node.plan, node.layer, graph.args.data() + node.first,
                    int(node.count), graph.memory + graph.workspace, bound))
      return fail(st, "node %zu: %s", i, message());
    if (fovea_status st = node.plan->gpu->upload(on))
      return st;
    GpuArgs args;
    char *at = memory + i * argsStride;
    node.plan->gpu->relocate(bound, at, args);
    if (!std::memcmp(&args, &sent[i], sizeof args))
      continue;
    if (fovea_status st = device.upload(at, &args, sizeof args, on))
      return st;
    sent[i] = args;
  }
  return FOVEA_OK;
}

fovea_status GpuGraph::enqueue(bool all, fovea_stream on) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const GraphNode &node = graph.nodes[i];
    fovea_status st;
    if (!node.plan) {
      st = node.fn(node.user, graph.pointers.data() + node.first,
                   int(node.count), on);
      if (st)
        return fail(st, "node %zu: the host's function returned %s", i,
                    fovea_status_name(st));
      continue;
    }
    GpuLane *lane = nullptr;
    st = laneOf(node, on, lane);
    if (!st)
      st = node.plan->gpu->enqueue(*lane, memory + i * argsStride, all, on);
    if (st)
      return fail(st, "node %zu: %s", i, message());
  }
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!isFirst(i))
      continue;
    GpuLane *lane = nullptr;
    fovea_status st = laneOf(graph.nodes[i], on, lane);
    if (!st)
      st = graph.nodes[i].plan->gpu->enqueueState(*lane, on);
    if (st)
      return st;
  }
  return FOVEA_OK;
}

/// Host functions have put what they saw of their tensors into the capture:
/// places, extents and strides.
bool GpuGraph::sameCalls() {
  bool same = true;
  for (const GraphNode &node : graph.nodes)
    for (uint32_t i = node.first; !node.plan && i < node.first + node.count;
         ++i) {
      const DLTensor &now = *graph.pointers[i];
      SeenTensor &before = calls[i];
      same &= now.data == before.data && now.byte_offset == before.offset;
      before.data = now.data;
      before.offset = now.byte_offset;
      int64_t dense = 1; // row-major
      for (int d = now.ndim; d-- > 0;) {
        int64_t stride = now.strides ? now.strides[d] : dense;
        dense *= now.shape[d];
        same &= now.shape[d] == before.shape[d] && stride == before.stride[d];
        before.shape[d] = now.shape[d];
        before.stride[d] = stride;
      }
    }
  return same;
}

fovea_status GpuGraph::capture(fovea_stream on) {
  const CudaDriver &driver = *device.driver;
  constexpr int ofThisThread = 1;
  if (fovea_status st = FOVEA_CUDA(driver, captureBegin, on, ofThisThread))
    return st;
  fovea_status st = enqueue(/*all=*/true, on);
  char why[512];
  std::snprintf(why, sizeof why, "%s", st ? message() : "");
  void *captured = nullptr;
  fovea_status ended = FOVEA_CUDA(driver, captureEnd, on, &captured);
  if (st)
    st = fail(st, "%s", why);
  else if (ended)
    st = fail(ended, "capturing a graph: %s", message());
  else
    st = FOVEA_CUDA(driver, graphInstantiate, &executable, captured, 0ull);
  if (captured)
    driver.graphDestroy(captured);
  if (st)
    executable = nullptr;
  return st;
}

fovea_status GpuGraph::finish(fovea_stream on) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!isFirst(i))
      continue;
    GpuLane *lane = nullptr;
    fovea_status st = laneOf(graph.nodes[i], on, lane);
    if (!st)
      st = graph.nodes[i].plan->gpu->finish(*lane, on);
    if (st)
      return st;
  }
  return FOVEA_CUDA(*device.driver, eventRecord, ran, on);
}

fovea_status GpuGraph::run(fovea_stream on) {
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    if (isFirst(i))
      if (fovea_status st = graph.nodes[i].plan->gpu->earlierError())
        return st;
  UseGpu use(device);
  if (use.status())
    return use.status();
  // All runs have the graph's buffers, and its arguments.
  if (last != on)
    if (fovea_status st =
            FOVEA_CUDA(*device.driver, streamWaitEvent, on, ran, 0u))
      return st;
  last = on;
  if (fovea_status st = takeLanes(on))
    return st;
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    if (isFirst(i))
      if (fovea_status st = graph.nodes[i].plan->gpu->beforeRun(on))
        return st;
  if (fovea_status st = arguments(on))
    return st;
  fovea_status st;
  // The default stream cannot be captured.
  if (!capturable || !on) {
    st = enqueue(/*all=*/false, on);
  } else {
    if (!sameCalls() || on != stream)
      forget();
    st = executable ? FOVEA_OK : capture(on);
    stream = on;
    if (!st)
      st = FOVEA_CUDA(*device.driver, graphLaunch, executable, on);
  }
  fovea_status ended = finish(on);
  return st ? st : ended;
}

} // namespace fovea::rt
