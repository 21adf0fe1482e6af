// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Running a graph: bind the externals, set the rows, nodes in order.
#include "runtime/base/Status.h"
#include "runtime/cuda/Graph.h"
#include "runtime/graph/Graph.h"

using namespace fovea::rt;

static fovea_status bindExternal(fovea_graph &graph, size_t id,
                                 const fovea_value &given) {
  GraphValue &v = graph.values[id];
  const fovea_tensor *t = given.u.tensor;
  if (given.kind != FOVEA_TENSOR || !t)
    return fail(FOVEA_INVALID, "external %d: expected a tensor", v.external);
  if (t->ndim != v.rank || t->dtype.code != v.dtype.code ||
      t->dtype.bits != v.dtype.bits || t->dtype.lanes != v.dtype.lanes ||
      (v.rank && !t->shape))
    return fail(FOVEA_INVALID,
                "external %d: expected rank %d and elements of code %d with "
                "%d bits, got rank %d and code %d with %d bits",
                v.external, v.rank, v.dtype.code, v.dtype.bits, t->ndim,
                t->dtype.code, t->dtype.bits);
  for (int d = 0; d < v.rank; ++d) {
    int64_t extent = t->shape[d];
    bool row = d == v.rowAxis;
    int64_t most = row ? v.shape[d] : v.most[d];
    if (extent < 0 || extent > most || (row && extent != most))
      return fail(FOVEA_INVALID,
                  "external %d: expected dim %d to be %s%lld, got %lld",
                  v.external, d, row ? "" : "at most ", (long long)most,
                  (long long)extent);
    v.shape[d] = extent;
  }
  DLTensor &own = graph.tensors[id];
  own.device = t->device;
  own.data = t->data;
  own.strides = t->strides;
  own.byte_offset = t->byte_offset;
  return FOVEA_OK;
}

static fovea_status bind(fovea_graph &graph, const fovea_value *externals,
                         int64_t rows) {
  for (size_t i = 0; i < graph.values.size(); ++i) {
    GraphValue &v = graph.values[i];
    if (v.scalar)
      continue;
    if (v.rowAxis >= 0) {
      if (rows > v.most[v.rowAxis])
        return fail(FOVEA_INVALID,
                    "expected at most %lld rows (the capacity of buffer %zu), "
                    "got %lld",
                    (long long)v.most[v.rowAxis], i, (long long)rows);
      v.shape[v.rowAxis] = rows;
    }
    if (v.external < 0)
      continue;
    if (fovea_status st = bindExternal(graph, i, externals[v.external]))
      return st;
  }
  return FOVEA_OK;
}

/// Whether the plan of an earlier node of this run has reserved the batch's
/// rows in a cache that this node's kernel appends to.
static bool isReserved(const fovea_graph &graph, const GraphNode &node) {
  for (const GraphNode *other = graph.nodes.begin(); other != &node; ++other) {
    if (!other->plan || !other->updates)
      continue;
    for (const CacheStep &theirs : other->plan->caches)
      for (const CacheStep &own : node.plan->caches)
        if (theirs.appends && own.appends &&
            graph.args[node.first + own.arg].u.kv == theirs.kv)
          return true;
  }
  return false;
}

static fovea_status updateNode(fovea_graph &graph, const GraphNode &node,
                               const fovea_batch *batch) {
  const fovea_value *args = graph.args.data() + node.first;
  if (!node.plan->nCaches)
    return updatePlan(*node.plan, nullptr, args, int(node.count), false);
  if (!batch)
    return FOVEA_OK; // the host has updated it
  return updatePlan(*node.plan, batch, args, int(node.count),
                    isReserved(graph, node));
}

static fovea_status runNode(fovea_graph &graph, const GraphNode &node,
                            const fovea_batch *batch, fovea_stream stream) {
  if (!node.plan)
    return node.fn(node.user, graph.pointers.data() + node.first,
                   int(node.count), stream);
  const fovea_value *args = graph.args.data() + node.first;
  if (node.updates)
    if (fovea_status st = updateNode(graph, node, batch))
      return st;
  return fovea_run(node.plan, node.layer, args, int(node.count),
                   graph.memory + graph.workspace, stream);
}

fovea_status fovea_graph_run(fovea_graph *graph, const fovea_value *externals,
                             int n, int64_t rows, fovea_stream stream) {
  return fovea_graph_run_batch(graph, nullptr, externals, n, rows, stream);
}

fovea_status fovea_graph_run_batch(fovea_graph *graph, const fovea_batch *batch,
                                   const fovea_value *externals, int n,
                                   int64_t rows, fovea_stream stream) {
  if (!graph || !graph->finished)
    return fail(FOVEA_INVALID, "expected a finished graph, got %s",
                graph ? "an unfinished one" : "NULL");
  if (n != graph->externals || (n && !externals))
    return fail(FOVEA_INVALID, "expected %d external tensors, got %d",
                graph->externals, externals ? n : 0);
  if (rows < 0)
    return fail(FOVEA_INVALID, "expected rows of at least 0, got %lld",
                (long long)rows);
  if (fovea_status st = bind(*graph, externals, rows))
    return st;
  if (graph->gpu) {
    for (size_t i = 0; i < graph->nodes.size(); ++i)
      if (graph->nodes[i].updates)
        if (fovea_status st = updateNode(*graph, graph->nodes[i], batch))
          return fail(st, "node %zu: %s", i, message());
    return graph->gpu->run(stream);
  }
  for (size_t i = 0; i < graph->nodes.size(); ++i) {
    const GraphNode &node = graph->nodes[i];
    fovea_status st = runNode(*graph, node, batch, stream);
    if (st && node.plan)
      return fail(st, "node %zu: %s", i, message());
    if (st)
      return fail(st, "node %zu: the host's function returned %s", i,
                  fovea_status_name(st));
  }
  return FOVEA_OK;
}
