// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Building a graph: checks as early as possible, and a place for each buffer.
#include "runtime/base/Status.h"
#include "runtime/cuda/Graph.h"
#include "runtime/graph/Graph.h"

#include <new>

using namespace fovea::rt;

fovea_graph::~fovea_graph() {
  for (GraphNode &node : nodes)
    if (node.plan)
      node.plan->release();
  if (gpu)
    delete gpu;
  else
    ctx->deallocate(memory);
}

fovea_status fovea_graph_create(fovea_ctx *ctx, fovea_graph **out) {
  if (!ctx || !out)
    return fail(FOVEA_INVALID, "expected a %s, got NULL",
                !ctx ? "context" : "place for the graph");
  *out = new (std::nothrow) fovea_graph(ctx);
  return *out ? FOVEA_OK : noMemory("a graph", sizeof(fovea_graph));
}

void fovea_graph_destroy(fovea_graph *graph) { delete graph; }

size_t fovea_graph_memory(const fovea_graph *graph) {
  return graph ? size_t(graph->bytes) : 0;
}

static fovea_status building(const fovea_graph *graph) {
  if (!graph)
    return fail(FOVEA_INVALID, "expected a graph, got NULL");
  if (graph->finished)
    return fail(FOVEA_INVALID,
                "expected a graph that is being built, got a finished one");
  return FOVEA_OK;
}

static int addValue(fovea_graph *graph, const GraphValue &value) {
  if (!graph->values.append(value)) {
    noMemory("a graph's buffer", sizeof value);
    return -1;
  }
  return int(graph->values.size() - 1);
}

int fovea_graph_buffer(fovea_graph *graph, const fovea_tensor *t, int rowAxis,
                       int external) {
  if (building(graph))
    return -1;
  if (!t || t->ndim < 0 || t->ndim > FOVEA_ABI_MAX_RANK ||
      (t->ndim && !t->shape) || t->dtype.lanes != 1 || !t->dtype.bits ||
      t->dtype.bits % 8) {
    fail(FOVEA_INVALID,
         "expected a tensor of rank at most %d and whole bytes per element",
         FOVEA_ABI_MAX_RANK);
    return -1;
  }
  if (rowAxis < -1 || rowAxis >= t->ndim) {
    fail(FOVEA_INVALID, "expected a row axis below %d or -1, got %d", t->ndim,
         rowAxis);
    return -1;
  }
  GraphValue v;
  v.dtype = t->dtype;
  v.rank = t->ndim;
  v.rowAxis = rowAxis;
  Extent bytes{t->dtype.bits / 8};
  for (int d = 0; d < t->ndim; ++d) {
    v.most[d] = t->shape[d];
    bytes = bytes * Extent{t->shape[d], t->shape[d] >= 0};
  }
  if (!bytes.ok || bytes.value > (int64_t(1) << 46)) {
    fail(FOVEA_INVALID, "expected extents of at least 0 and a buffer of at "
                        "most 2^46 bytes");
    return -1;
  }
  v.bytes = bytes.value;
  v.external = external ? graph->externals : -1;
  int id = addValue(graph, v);
  graph->externals += external && id >= 0;
  return id;
}

int fovea_graph_scalar(fovea_graph *graph, fovea_value value) {
  if (building(graph))
    return -1;
  if (value.kind != FOVEA_SCALAR && value.kind != FOVEA_CACHE) {
    fail(FOVEA_INVALID,
         "expected a scalar (kind %d) or a cache (kind %d), got kind %d",
         FOVEA_SCALAR, FOVEA_CACHE, value.kind);
    return -1;
  }
  if (value.kind == FOVEA_CACHE && !value.u.kv) {
    fail(FOVEA_INVALID, "expected a cache, got NULL");
    return -1;
  }
  GraphValue v;
  v.scalar = true;
  v.value = value;
  return addValue(graph, v);
}

static fovea_status addNode(fovea_graph *graph, GraphNode node, const int *ids,
                            int n) {
  node.first = uint32_t(graph->ids.size());
  node.count = uint32_t(n);
  for (int i = 0; i < n; ++i)
    if (!graph->ids.append(ids[i]))
      return noMemory("a graph's node", sizeof node);
  if (!graph->nodes.append(node))
    return noMemory("a graph's node", sizeof node);
  if (node.plan)
    node.plan->retain();
  int32_t number = int32_t(graph->nodes.size() - 1);
  for (int i = 0; i < n; ++i) {
    GraphValue &v = graph->values[size_t(ids[i])];
    v.first = v.first < 0 ? number : v.first;
    v.last = number;
  }
  return FOVEA_OK;
}

static fovea_status checkIds(const fovea_graph *graph, const int *ids, int n) {
  if (n < 0 || (n && !ids))
    return fail(FOVEA_INVALID, "expected %d ids, got NULL", n);
  for (int i = 0; i < n; ++i)
    if (ids[i] < 0 || ids[i] >= int(graph->values.size()))
      return fail(FOVEA_INVALID, "expected ids below %zu, got %d",
                  graph->values.size(), ids[i]);
  return FOVEA_OK;
}

/// Nodes that share a plan must plan from the same lengths and tables.
static fovea_status checkShared(const fovea_graph &graph, const GraphNode &a,
                                const int *ids) {
  const fovea_kernel &kernel = *a.plan->kernel.get();
  uint64_t reads = 0;
  for (const fovea_bundle_mask &m : kernel.masks)
    reads |= m.reads;
  for (uint32_t i = 0; i < a.count; ++i) {
    const fovea_bundle_arg &arg = kernel.args[i];
    if (arg.kind == FOVEA_ARG_SCALAR || arg.is_result)
      continue;
    bool planned = arg.kind == FOVEA_ARG_CACHE ||
                   arg.dtype == FOVEA_DTYPE_I32 ||
                   arg.dtype == FOVEA_DTYPE_I64 || (reads >> arg.slot & 1);
    if (planned && graph.ids[a.first + i] != ids[i])
      return fail(FOVEA_INVALID,
                  "argument '%s': expected id %d as in the first node of the "
                  "plan, got %d",
                  kernel.argName(i), graph.ids[a.first + i], ids[i]);
  }
  return FOVEA_OK;
}

fovea_status fovea_graph_kernel(fovea_graph *graph, fovea_plan *plan, int layer,
                                const int *ids, int n) {
  if (fovea_status st = building(graph))
    return st;
  if (!plan || layer < 0)
    return fail(FOVEA_INVALID, "expected a plan and a layer of at least 0");
  if (fovea_status st = checkIds(graph, ids, n))
    return st;
  const fovea_kernel &kernel = *plan->kernel.get();
  if (n != int(kernel.args.size()))
    return fail(FOVEA_INVALID, "kernel '%s': expected %u arguments, got %d",
                kernel.name(), kernel.args.size(), n);
  for (int i = 0; i < n; ++i) {
    const fovea_bundle_arg &arg = kernel.args[size_t(i)];
    GraphValue &v = graph->values[size_t(ids[i])];
    const char *name = kernel.argName(size_t(i));
    auto kindName = [](int kind) {
      return kind == FOVEA_SCALAR  ? "scalar"
             : kind == FOVEA_CACHE ? "cache"
                                   : "tensor";
    };
    int want = arg.kind == FOVEA_ARG_SCALAR  ? FOVEA_SCALAR
               : arg.kind == FOVEA_ARG_CACHE ? FOVEA_CACHE
                                             : FOVEA_TENSOR;
    int got = v.scalar ? v.value.kind : FOVEA_TENSOR;
    if (got != want)
      return fail(FOVEA_INVALID, "argument '%s': expected a %s, got a %s", name,
                  kindName(want), kindName(got));
    if (want != FOVEA_TENSOR)
      continue;
    if (v.rank != int(arg.rank) || v.dtype.bits != 8 * dtypeSize(arg.dtype))
      return fail(FOVEA_INVALID,
                  "argument '%s': expected rank %u and elements of %u bits, "
                  "got buffer %d of rank %d and %d bits",
                  name, arg.rank, 8 * dtypeSize(arg.dtype), ids[i], v.rank,
                  v.dtype.bits);
    if (!arg.is_result && v.external < 0 && !v.written)
      return fail(FOVEA_INVALID,
                  "argument '%s': expected buffer %d to be external or "
                  "written by an earlier node",
                  name, ids[i]);
  }
  GraphNode node;
  node.plan = plan;
  node.layer = layer;
  node.updates = true;
  for (const GraphNode &other : graph->nodes)
    if (other.plan == plan && other.updates) {
      node.updates = false;
      if (fovea_status st = checkShared(*graph, other, ids))
        return st;
    }
  for (int i = 0; i < n; ++i)
    if (kernel.args[size_t(i)].is_result)
      graph->values[size_t(ids[i])].written = true;
  return addNode(graph, node, ids, n);
}

fovea_status fovea_graph_call(fovea_graph *graph, fovea_graph_fn fn, void *user,
                              const int *ids, int n, int capturable) {
  if (fovea_status st = building(graph))
    return st;
  if (!fn)
    return fail(FOVEA_INVALID, "expected a function, got NULL");
  if (fovea_status st = checkIds(graph, ids, n))
    return st;
  for (int i = 0; i < n; ++i) {
    GraphValue &v = graph->values[size_t(ids[i])];
    if (v.scalar)
      return fail(FOVEA_INVALID, "expected buffers, got scalar %d", ids[i]);
    v.written = true; // the host knows
  }
  GraphNode node;
  node.fn = fn;
  node.capturable = capturable;
  node.user = user;
  return addNode(graph, node, ids, n);
}

/// Buffers whose uses do not overlap share memory: the largest first, each at
/// the lowest place that is free during its life.
static int64_t place(Array<GraphValue> &values, Array<int32_t> &order) {
  size_t n = 0;
  for (size_t i = 0; i < values.size(); ++i)
    if (!values[i].scalar && values[i].external < 0 && values[i].first >= 0)
      order[n++] = int32_t(i);
  for (size_t i = 1; i < n; ++i) // insertion sort: graphs are short
    for (size_t j = i; j > 0 && values[size_t(order[j])].bytes >
                                    values[size_t(order[j - 1])].bytes;
         --j) {
      int32_t t = order[j];
      order[j] = order[j - 1];
      order[j - 1] = t;
    }
  int64_t end = 0;
  for (size_t i = 0; i < n; ++i) {
    GraphValue &v = values[size_t(order[i])];
    v.offset = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (size_t j = 0; j < i; ++j) {
        const GraphValue &o = values[size_t(order[j])];
        if (o.last < v.first || v.last < o.first ||
            o.offset + o.bytes <= v.offset || v.offset + v.bytes <= o.offset)
          continue;
        v.offset = (o.offset + o.bytes + 63) / 64 * 64;
        moved = true;
      }
    }
    end = v.offset + v.bytes > end ? v.offset + v.bytes : end;
  }
  return (end + 63) / 64 * 64;
}

/// Memory for the buffers, where the kernels are.
static fovea_status allocate(fovea_graph &graph) {
  const GpuDevice *device = nullptr;
  if (fovea_status st = deviceOf(graph, device))
    return st;
  if (device) {
    graph.gpu = new (std::nothrow) GpuGraph(graph, *device);
    if (!graph.gpu)
      return noMemory("a graph", sizeof(GpuGraph));
    fovea_status st = graph.gpu->create();
    if (st) {
      delete graph.gpu;
      graph.gpu = nullptr;
      graph.memory = nullptr;
    }
    return st;
  }
  graph.memory =
      static_cast<char *>(graph.ctx->allocate(size_t(graph.bytes), 64));
  return graph.memory ? FOVEA_OK
                      : noMemory("a graph's buffers", size_t(graph.bytes));
}

fovea_status fovea_graph_finish(fovea_graph *graph) {
  if (fovea_status st = building(graph))
    return st;
  size_t values = graph->values.size(), ids = graph->ids.size();
  Array<int32_t> order;
  if (!order.create(values) || !graph->tensors.create(values) ||
      !graph->args.create(ids) || !graph->pointers.create(ids))
    return noMemory("a graph's tables", values * sizeof(DLTensor));
  graph->workspace = place(graph->values, order);
  int64_t most = 0;
  for (const GraphNode &node : graph->nodes)
    if (node.plan && node.plan->workspaceBytes > most)
      most = node.plan->workspaceBytes;
  graph->bytes = graph->workspace + most;
  if (fovea_status st = allocate(*graph)) {
    graph->bytes = 0;
    return st;
  }
  for (size_t i = 0; i < values; ++i) {
    GraphValue &v = graph->values[i];
    DLTensor &t = graph->tensors[i];
    t.device = {kDLCPU, 0};
    if (graph->gpu)
      t.device = {kDLCUDA, graph->gpu->device.id};
    t.dtype = v.dtype;
    t.ndim = v.rank;
    t.shape = v.shape;
    t.data = v.external < 0 ? graph->memory + v.offset : nullptr;
    for (int d = 0; d < v.rank; ++d)
      v.shape[d] = v.most[d];
  }
  for (size_t i = 0; i < ids; ++i) {
    size_t id = size_t(graph->ids[i]);
    graph->pointers[i] = &graph->tensors[id];
    graph->args[i] = graph->values[id].value;
    if (graph->values[id].scalar)
      continue;
    graph->args[i].kind = FOVEA_TENSOR;
    graph->args[i].u.tensor = &graph->tensors[id];
  }
  graph->finished = true;
  return FOVEA_OK;
}
