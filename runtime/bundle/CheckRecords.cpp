// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checks every number of a bundle's records against what it indexes.
#include "runtime/bundle/CheckRecords.h"
#include "runtime/base/Status.h"

#include <initializer_list>

namespace fovea::rt {
namespace {

using U64 = unsigned long long;

/// Of a CTA, on sm_90: what the most capable of our targets gives.
static constexpr uint32_t maxSharedBytes = 232448;

class KernelCheck {
public:
  KernelCheck(const BundleView &b, const fovea_bundle_kernel &k) : b(b), k(k) {}

  fovea_status run();

private:
  fovea_status spans();
  fovea_status takeSlot(const char *what, uint32_t slot);
  fovea_status argument(const fovea_bundle_arg &a);
  fovea_status buffer(const fovea_bundle_buffer &w);
  fovea_status extent(const char *what, const fovea_bundle_extent &e,
                      uint32_t beforeStage);
  fovea_status mask(const fovea_bundle_mask &m);
  fovea_status summary(const fovea_bundle_summary &s);
  fovea_status table(const fovea_bundle_table &t);
  fovea_status lineages();
  bool hasTree(int32_t cache) const;
  fovea_status stage(uint32_t index);
  fovea_status stream(const fovea_bundle_stage &s);
  fovea_status batchTable(const fovea_bundle_stage &s, const char *what,
                          int32_t slot);
  fovea_status variant(const fovea_bundle_stage &s,
                       const fovea_bundle_variant &v);
  fovea_status launch(const fovea_bundle_launch &l,
                      const fovea_bundle_section &code);
  fovea_status string(const char *what, uint32_t offset);
  const char *name() const { return b.string(k.name); }

  const BundleView &b;
  const fovea_bundle_kernel &k;
  uint64_t takenViews = 0, takenScalars = 0, takenCaches = 0, knownSymbols = 0;
};

bool ofLineage(const fovea_bundle_table &t) {
  return t.rule == FOVEA_TABLE_LINEAGE || t.rule == FOVEA_TABLE_LINEAGE_SIZE;
}

fovea_status bad(const char *kernel, const char *what, const char *want,
                 long long got) {
  return fail(FOVEA_BAD_BUNDLE, "kernel '%s': expected %s to be %s, got %lld",
              kernel, what, want, got);
}

fovea_status KernelCheck::string(const char *what, uint32_t offset) {
  if (offset >= b.strings.size())
    return fail(FOVEA_BAD_BUNDLE,
                "expected %s to be a string below %u, got offset %u", what,
                b.strings.size(), offset);
  return FOVEA_OK;
}

fovea_status checkSpan(const char *what, fovea_bundle_span span, uint32_t size,
                       uint32_t most) {
  if (span.first > size || span.count > size - span.first)
    return fail(FOVEA_BAD_BUNDLE,
                "expected %s to be a range of %u records, got [%u, +%u)", what,
                size, span.first, span.count);
  if (span.count > most)
    return fail(FOVEA_BAD_BUNDLE, "expected at most %u %s, got %u", most, what,
                span.count);
  return FOVEA_OK;
}

fovea_status KernelCheck::spans() {
  fovea_status st = checkSpan("arguments of a kernel", k.args, b.args.size(),
                              maxViews + maxScalars);
  if (!st)
    st = checkSpan("symbols of a kernel", k.symbols, b.symbols.size(),
                   maxSymbols);
  if (!st)
    st =
        checkSpan("buffers of a kernel", k.buffers, b.buffers.size(), maxViews);
  if (!st)
    st = checkSpan("stages of a kernel", k.stages, b.stages.size(), maxStages);
  if (!st)
    st = checkSpan("masks of a kernel", k.masks, b.masks.size(), maxMasks);
  if (!st)
    st = checkSpan("caches of a kernel", k.caches, b.caches.size(), maxCaches);
  if (!st)
    st = checkSpan("tables of a kernel", k.tables, b.tables.size(), maxViews);
  if (!st)
    st = checkSpan("remarks of a kernel", k.remarks, b.remarks.size(),
                   maxRemarks);
  return st;
}

fovea_status KernelCheck::takeSlot(const char *what, uint32_t slot) {
  if (slot >= k.n_views)
    return fail(FOVEA_BAD_BUNDLE,
                "kernel '%s': expected the view slot of '%s' to be below %u, "
                "got %u",
                name(), what, k.n_views, slot);
  if (takenViews >> slot & 1)
    return fail(FOVEA_BAD_BUNDLE,
                "kernel '%s': expected view slot %u to have one owner, got "
                "'%s' as well",
                name(), slot, what);
  takenViews |= uint64_t(1) << slot;
  return FOVEA_OK;
}

fovea_status KernelCheck::argument(const fovea_bundle_arg &a) {
  if (fovea_status st = string("an argument's name", a.name))
    return st;
  const char *arg = b.string(a.name);
  if (a.kind == FOVEA_ARG_CACHE) {
    if (a.rank || a.dtype || a.is_result)
      return bad(name(), "the rank and dtype of a cache", "0, and no result",
                 a.rank);
    if (a.slot >= k.caches.count || (takenCaches >> a.slot & 1))
      return bad(name(), "a cache argument's slot", "a cache of its own",
                 a.slot);
    takenCaches |= uint64_t(1) << a.slot;
    return FOVEA_OK;
  }
  if (!dtypeSize(a.dtype))
    return bad(name(), "an argument's dtype", "a known code", a.dtype);
  if (a.is_result > 1)
    return bad(name(), "an argument's is_result", "0 or 1", a.is_result);
  if (a.kind == FOVEA_ARG_SCALAR) {
    if (a.rank || a.is_result)
      return bad(name(), "the rank of a scalar", "0 and no result", a.rank);
    if (a.slot >= k.n_scalars || (takenScalars >> a.slot & 1))
      return bad(name(), "a scalar's slot", "free and below n_scalars", a.slot);
    takenScalars |= uint64_t(1) << a.slot;
    return FOVEA_OK;
  }
  if (a.kind != FOVEA_ARG_TENSOR)
    return bad(name(), "an argument's kind", "0, 1 or 2", a.kind);
  if (a.rank > FOVEA_ABI_MAX_RANK)
    return bad(name(), "an argument's rank", "at most 6", a.rank);
  for (uint32_t d = 0; d < a.rank; ++d) {
    if (a.symbol[d] < -1 || a.symbol[d] >= int64_t(k.symbols.count))
      return bad(name(), "an argument's symbol", "one of the kernel's or -1",
                 a.symbol[d]);
    if (a.shape[d] < -1)
      return bad(name(), "an argument's extent", "at least 0, or -1",
                 a.shape[d]);
    if (a.shape[d] == -1 && a.symbol[d] < 0)
      return bad(name(), "the symbol of a dynamic extent",
                 "one of the kernel's", a.symbol[d]);
    if (a.symbol[d] >= 0 && !a.is_result)
      knownSymbols |= uint64_t(1) << a.symbol[d];
  }
  return takeSlot(arg, a.slot);
}

fovea_status KernelCheck::extent(const char *what, const fovea_bundle_extent &e,
                                 uint32_t beforeStage) {
  if (e.div <= 0)
    return bad(name(), what, "an extent with div > 0", e.div);
  if (e.mul < 0)
    return bad(name(), what, "an extent with mul >= 0", e.mul);
  if (e.symbol < FOVEA_EXTENT_SLOTS || e.symbol >= int64_t(k.symbols.count))
    return bad(name(), what, "an extent of one of the kernel's symbols",
               e.symbol);
  if (e.symbol != FOVEA_EXTENT_SLOTS)
    return FOVEA_OK;
  if (e.stage < 0 || uint32_t(e.stage) >= beforeStage)
    return bad(name(), what, "an extent of an earlier stage", e.stage);
  const fovea_bundle_stage &s = b.stages.slice(k.stages)[e.stage];
  if (s.space != FOVEA_SPACE_STREAM)
    return bad(name(), what, "an extent of a stream stage", e.stage);
  return FOVEA_OK;
}

fovea_status KernelCheck::buffer(const fovea_bundle_buffer &w) {
  if (fovea_status st = string("a buffer's name", w.name))
    return st;
  if (!dtypeSize(w.dtype))
    return bad(name(), "a buffer's dtype", "a known code", w.dtype);
  if (w.rank > FOVEA_ABI_MAX_RANK)
    return bad(name(), "a buffer's rank", "at most 6", w.rank);
  for (uint32_t d = 0; d < w.rank; ++d)
    if (fovea_status st =
            extent("a buffer's extent", w.extent[d], k.stages.count))
      return st;
  return takeSlot(b.string(w.name), w.slot);
}

/// The table of a summary is an integer argument, or the lineages that the plan
/// makes of one, with room for a further dim.
fovea_status KernelCheck::summary(const fovea_bundle_summary &s) {
  int64_t source = s.slot;
  for (const fovea_bundle_table &t : b.tables.slice(k.tables))
    if (t.slot == s.slot && ofLineage(t))
      source = t.source;
  for (const fovea_bundle_arg &a : b.args.slice(k.args)) {
    bool isInteger = a.dtype == FOVEA_DTYPE_I8 || a.dtype == FOVEA_DTYPE_I32 ||
                     a.dtype == FOVEA_DTYPE_I64 || a.dtype == FOVEA_DTYPE_BOOL;
    if (a.kind == FOVEA_ARG_TENSOR && a.slot == source && !a.is_result &&
        isInteger && s.axis < a.rank && a.rank < FOVEA_ABI_MAX_RANK)
      return FOVEA_OK;
  }
  return bad(name(), "a summary's slot",
             "that of an integer argument, or of lineages, with its axis",
             s.slot);
}

fovea_status KernelCheck::mask(const fovea_bundle_mask &m) {
  if (fovea_status st = string("a mask's text", m.text))
    return st;
  const fovea_bundle_section *plan = b.section(FOVEA_SECTION_PLAN_CODE, 0);
  uint64_t size = plan ? plan->size : 0;
  for (uint64_t offset : {m.bounds, m.classify, m.keep})
    if (offset >= size)
      return fail(FOVEA_BAD_BUNDLE,
                  "kernel '%s': expected a mask's function inside the plan "
                  "code of %llu bytes, got offset %llu",
                  name(), U64(size), U64(offset));
  if (m.analysed > 1)
    return bad(name(), "a mask's analysed", "0 or 1", m.analysed);
  if (m.n_summaries > FOVEA_MASK_MAX_SUMMARIES)
    return bad(name(), "a mask's number of summaries", "at most 4",
               m.n_summaries);
  for (uint32_t i = 0; i < m.n_summaries; ++i)
    if (fovea_status st = summary(m.summaries[i]))
      return st;
  if (k.n_views < 64 && m.reads >> k.n_views)
    return bad(name(), "a mask's reads", "a set of view slots",
               static_cast<long long>(m.reads));
  return FOVEA_OK;
}

/// The two tables of lineages stand side by side.
fovea_status KernelCheck::lineages() {
  for (uint32_t i = 0; i < k.tables.count; ++i) {
    auto at = [&](uint32_t j) { return b.tables.slice(k.tables)[j]; };
    if (!ofLineage(at(i)))
      continue;
    bool low = at(i).rule == FOVEA_TABLE_LINEAGE;
    if (!low || i + 1 == k.tables.count ||
        at(i + 1).rule != FOVEA_TABLE_LINEAGE_SIZE ||
        at(i + 1).source != at(i).source)
      return bad(name(), "a table's rule",
                 "0 and behind it 3 of the same source, or neither",
                 at(i).rule);
    ++i;
  }
  return FOVEA_OK;
}

fovea_status KernelCheck::table(const fovea_bundle_table &t) {
  if (t.rule > FOVEA_TABLE_LINEAGE_SIZE)
    return bad(name(), "a table's rule", "from 0 to 3", t.rule);
  bool tree = t.rule == FOVEA_TABLE_BATCH_TREE;
  if (t.cache < -1 || t.cache >= int64_t(k.caches.count) ||
      tree != (t.cache >= 0))
    return bad(name(), "a table's cache",
               "one of the kernel's for rule 1, -1 "
               "for others",
               t.cache);
  bool source = tree && t.source == -1;
  for (const fovea_bundle_arg &a : b.args.slice(k.args))
    source |= !tree && a.kind == FOVEA_ARG_TENSOR && !a.is_result &&
              int64_t(a.slot) == t.source && a.dtype == FOVEA_DTYPE_I32 &&
              (a.rank == 1 || a.rank == 2);
  if (!source)
    return bad(name(), "a table's source",
               "the slot of an i32 argument of rank 1 or 2, -1 for rule 1",
               t.source);
  return takeSlot("table", t.slot);
}

/// A slot of lengths or offsets: an i32[b] argument, or -1.
fovea_status KernelCheck::batchTable(const fovea_bundle_stage &s,
                                     const char *what, int32_t slot) {
  if (slot == -1)
    return FOVEA_OK;
  for (const fovea_bundle_arg &a : b.args.slice(k.args))
    if (a.kind == FOVEA_ARG_TENSOR && !a.is_result && int64_t(a.slot) == slot &&
        a.rank == 1 && a.dtype == FOVEA_DTYPE_I32)
      return FOVEA_OK;
  return bad(name(), what, "the slot of an i32 argument of rank 1, or -1",
             slot);
}

fovea_status KernelCheck::stream(const fovea_bundle_stage &s) {
  auto symbol = [&](int32_t i) {
    return i >= 0 && i < int64_t(k.symbols.count);
  };
  if (s.group < 1 || s.group > 65536)
    return bad(name(), "a stage's group", "between 1 and 65536", s.group);
  if (s.kv_group < 1 || s.kv_group % s.group)
    return bad(name(), "a stage's kv_group", "a multiple of its group",
               s.kv_group);
  if (s.heads < 1 || s.heads > (1 << 20))
    return bad(name(), "a stage's heads", "between 1 and 2^20", s.heads);
  if (s.mask < -1 || s.mask >= int64_t(k.masks.count))
    return bad(name(), "a stage's mask", "one of the kernel's or -1", s.mask);
  if (!symbol(s.q_symbol))
    return bad(name(), "a stage's q_symbol", "one of the kernel's", s.q_symbol);
  if (!symbol(s.k_symbol))
    return bad(name(), "a stage's k_symbol", "one of the kernel's", s.k_symbol);
  if (s.splittable < 0 || s.splittable > 1)
    return bad(name(), "a stage's splittable", "0 or 1", s.splittable);
  if (s.list_slot < -1 || s.list_slot >= int64_t(k.n_views))
    return bad(name(), "a stage's list_slot", "a view slot or -1", s.list_slot);
  if (s.list_slot >= 0 && (s.list_unit < 1 || s.list_queries < 1))
    return bad(name(), "a stage's list_unit and list_queries", "positive",
               s.list_unit < 1 ? s.list_unit : s.list_queries);
  if (s.key_dim < 0 || s.value_dim < 0 || s.key_dim > 65536 ||
      s.value_dim > 65536)
    return bad(name(), "a stage's dims", "between 0 and 65536",
               s.key_dim < 0 || s.key_dim > 65536 ? s.key_dim : s.value_dim);
  if (s.order_points < 0 || (s.order_points && s.cache >= 0))
    return bad(name(), "a stage's order_points",
               "0, or positive in a stage over plain tensors", s.order_points);
  if (s.cache >= 0) {
    // The batch gives them: nothing else may, and no argument needs to.
    if (s.offset_slot != -1 || s.length_slot != -1)
      return bad(name(),
                 "the offset_slot and length_slot of a stage with a "
                 "cache",
                 "-1", s.offset_slot != -1 ? s.offset_slot : s.length_slot);
    knownSymbols |= uint64_t(1) << s.k_symbol;
    if (s.grid[0].symbol >= 0)
      knownSymbols |= uint64_t(1) << s.grid[0].symbol;
  }
  bool table = s.rope_table == 0;
  for (const fovea_bundle_arg &a : b.args.slice(k.args))
    table |= a.kind == FOVEA_ARG_TENSOR && !a.is_result && s.cache >= 0 &&
             int64_t(a.slot) + 1 == s.rope_table && a.rank >= 1;
  if (!table)
    return bad(name(), "a stage's rope_table",
               "1 + the slot of an argument, in a stage over a cache, or 0",
               s.rope_table);
  if (fovea_status st = batchTable(s, "a stage's offset_slot", s.offset_slot))
    return st;
  return batchTable(s, "a stage's length_slot", s.length_slot);
}

fovea_status KernelCheck::launch(const fovea_bundle_launch &l,
                                 const fovea_bundle_section &code) {
  if (fovea_status st = string("a launch's kernel", l.kernel))
    return st;
  if (l.threads < 32 || l.threads > 1024 || l.threads % 32)
    return bad(name(), "a launch's threads", "a multiple of 32 up to 1024",
               l.threads);
  if (l.shared_bytes > maxSharedBytes)
    return bad(name(), "a launch's shared_bytes", "at most 232448",
               l.shared_bytes);
  if (l.registers > 255)
    return bad(name(), "a launch's registers", "at most 255", l.registers);
  auto lies = [&](uint64_t offset, uint64_t bytes) {
    return offset <= code.size && bytes <= code.size - offset;
  };
  if (!lies(l.cubin, l.cubin_bytes) || !lies(l.ptx, l.ptx_bytes) ||
      (!l.cubin_bytes && !l.ptx_bytes))
    return fail(FOVEA_BAD_BUNDLE,
                "kernel '%s': expected a launch with a cubin or PTX inside the "
                "code of %llu bytes, got %llu bytes at %llu and %llu at %llu",
                name(), U64(code.size), U64(l.cubin_bytes), U64(l.cubin),
                U64(l.ptx_bytes), U64(l.ptx));
  const uint8_t *text = b.base + code.offset + l.ptx;
  if (l.ptx_bytes && text[l.ptx_bytes - 1])
    return bad(name(), "the last byte of a launch's PTX", "NUL",
               text[l.ptx_bytes - 1]);
  return FOVEA_OK;
}

fovea_status KernelCheck::variant(const fovea_bundle_stage &s,
                                  const fovea_bundle_variant &v) {
  if (fovea_status st = string("a variant's name", v.name))
    return st;
  if (fovea_status st = string("a variant's schedule", v.schedule))
    return st;
  if (v.rows < 1 || v.rows > (1u << 20))
    return bad(name(), "a variant's rows", "between 1 and 2^20", v.rows);
  if (v.keys > (1u << 24) || (s.space == FOVEA_SPACE_STREAM && v.keys < 1))
    return bad(name(), "a variant's keys", "between 1 and 2^24", v.keys);
  if (v.class_rows && v.rows % v.class_rows)
    return bad(name(), "a variant's class_rows", "a divisor of its rows",
               v.class_rows);
  if (v.max_rows < 0)
    return bad(name(), "a variant's max_rows", "at least 0", v.max_rows);
  if (v.scratch_bytes < sizeof(fovea_abi_counters) ||
      v.scratch_bytes > (uint64_t(1) << 30))
    return bad(name(), "a variant's scratch_bytes",
               "between the size of the counters and 1 GiB",
               static_cast<long long>(v.scratch_bytes));
  if (fovea_status st = checkSpan("entries of a variant", v.entries,
                                  b.entries.size(), b.targets.size()))
    return st;
  for (const fovea_bundle_entry &e : b.entries.slice(v.entries)) {
    if (e.target >= b.targets.size())
      return bad(name(), "an entry's target", "one of the bundle's", e.target);
    const fovea_bundle_target &target = b.targets[e.target];
    if (target.kind == FOVEA_TARGET_GPU) {
      if (e.launch >= b.launches.size())
        return bad(name(), "an entry's launch", "one of the bundle's",
                   e.launch);
      if (fovea_status st = launch(b.launches[e.launch], *b.code(target)))
        return st;
      continue;
    }
    const fovea_bundle_section *code = b.code(target);
    if (!code || e.offset >= code->size)
      return fail(FOVEA_BAD_BUNDLE,
                  "kernel '%s': expected an entry inside the code of %llu "
                  "bytes, got offset %llu",
                  name(), U64(code ? code->size : 0), U64(e.offset));
  }
  return FOVEA_OK;
}

/// Whether the kernel has the table of the batch's tree over a cache.
bool KernelCheck::hasTree(int32_t cache) const {
  for (const fovea_bundle_table &t : b.tables.slice(k.tables))
    if (t.rule == FOVEA_TABLE_BATCH_TREE && cache >= 0 && t.cache == cache)
      return true;
  return false;
}

fovea_status KernelCheck::stage(uint32_t index) {
  const fovea_bundle_stage &s = b.stages.slice(k.stages)[index];
  if (fovea_status st = string("a stage's name", s.name))
    return st;
  if (s.space > FOVEA_SPACE_MOVES)
    return bad(name(), "a stage's space", "between 0 and 5", s.space);
  bool writesCache = s.space >= FOVEA_SPACE_APPEND;
  if (s.cache < (writesCache ? 0 : -1) || s.cache >= int64_t(k.caches.count))
    return bad(name(), "a stage's cache",
               writesCache ? "one of the kernel's"
                           : "one of the kernel's or -1",
               s.cache);
  int32_t flags = s.space == FOVEA_SPACE_STREAM
                      ? FOVEA_STAGE_TOP_LEFT | FOVEA_STAGE_READS_B |
                            (hasTree(s.cache) ? FOVEA_STAGE_TREE : 0)
                  : writesCache ? FOVEA_STAGE_SERVICE
                                : 0;
  if (s.flags & ~flags)
    return bad(name(), "a stage's flags", "those of its space", s.flags);
  if (s.space == FOVEA_SPACE_MOVES && !(s.flags & FOVEA_STAGE_SERVICE))
    return bad(name(), "the flags of a moves stage", "a service", s.flags);
  if (fovea_status st = checkSpan("variants of a stage", s.variants,
                                  b.variants.size(), maxVariants))
    return st;
  if (!s.variants.count)
    return bad(name(), "a stage's variants", "at least one", 0);
  int dims = s.space == FOVEA_SPACE_GRID     ? 3
             : s.space == FOVEA_SPACE_STREAM ? 1
                                             : 0;
  for (int i = 0; i < dims; ++i)
    if (fovea_status st = extent("a stage's grid", s.grid[i], index))
      return st;
  if (s.space == FOVEA_SPACE_STREAM)
    if (fovea_status st = stream(s))
      return st;
  if (s.space == FOVEA_SPACE_COMBINE) {
    if (s.of < 0 || uint32_t(s.of) >= index ||
        b.stages.slice(k.stages)[s.of].space != FOVEA_SPACE_STREAM)
      return bad(name(), "the stage that a combine merges",
                 "an earlier stream stage", s.of);
  }
  int64_t before = -1;
  for (const fovea_bundle_variant &v : b.variants.slice(s.variants)) {
    if (fovea_status st = variant(s, v))
      return st;
    if (v.max_rows < before)
      return bad(name(), "a variant's max_rows", "at least the one before",
                 v.max_rows);
    before = v.max_rows;
  }
  return FOVEA_OK;
}

fovea_status KernelCheck::run() {
  if (fovea_status st = string("a kernel's name", k.name))
    return st;
  if (fovea_status st = spans())
    return st;
  if (k.n_views > maxViews)
    return bad(name(), "n_views", "at most 64", k.n_views);
  if (k.n_scalars > maxScalars)
    return bad(name(), "n_scalars", "at most 64", k.n_scalars);
  if (!k.stages.count)
    return bad(name(), "the number of stages", "at least 1", 0);
  for (const fovea_bundle_symbol &s : b.symbols.slice(k.symbols))
    if (fovea_status st = string("a symbol's name", s.name))
      return st;
  for (const fovea_bundle_arg &a : b.args.slice(k.args))
    if (fovea_status st = argument(a))
      return st;
  for (const fovea_bundle_table &t : b.tables.slice(k.tables))
    if (fovea_status st = table(t))
      return st;
  if (fovea_status st = lineages())
    return st;
  for (const fovea_bundle_mask &m : b.masks.slice(k.masks))
    if (fovea_status st = mask(m))
      return st;
  for (uint32_t i = 0; i < k.stages.count; ++i)
    if (fovea_status st = stage(i))
      return st;
  for (uint32_t i = 0; i < k.symbols.count; ++i)
    if (!(knownSymbols >> i & 1))
      return fail(FOVEA_BAD_BUNDLE,
                  "kernel '%s': expected symbol '%s' to be an extent of an "
                  "argument",
                  name(), b.string(b.symbols.slice(k.symbols)[i].name));
  for (const fovea_bundle_buffer &w : b.buffers.slice(k.buffers))
    if (fovea_status st = buffer(w))
      return st;
  if (fovea_status st = checkCaches(b, k, takenViews))
    return st;
  uint64_t all =
      k.n_views == 64 ? ~uint64_t(0) : (uint64_t(1) << k.n_views) - 1;
  if (takenViews != all)
    return bad(name(), "the owners of its view slots", "one for each",
               static_cast<long long>(takenViews));
  all = k.n_scalars == 64 ? ~uint64_t(0) : (uint64_t(1) << k.n_scalars) - 1;
  if (takenScalars != all)
    return bad(name(), "the owners of its scalar slots", "one for each",
               static_cast<long long>(takenScalars));
  for (const fovea_bundle_remark &r : b.remarks.slice(k.remarks))
    if (fovea_status st = string("a remark's text", r.text))
      return st;
  return FOVEA_OK;
}

} // namespace

fovea_status checkRecords(const BundleView &b) {
  if (b.strings.size() && b.strings[b.strings.size() - 1])
    return fail(FOVEA_BAD_BUNDLE,
                "expected section STRINGS to end in NUL, got byte %u",
                static_cast<unsigned char>(b.strings[b.strings.size() - 1]));
  for (const fovea_bundle_target &t : b.targets) {
    if (t.name >= b.strings.size())
      return fail(FOVEA_BAD_BUNDLE,
                  "expected a target's name to be a string below %u, got "
                  "offset %u",
                  b.strings.size(), t.name);
    if (t.kind > FOVEA_TARGET_GPU)
      return fail(FOVEA_BAD_BUNDLE,
                  "expected target '%s' to be of a kind up to %d, got %u",
                  b.string(t.name), FOVEA_TARGET_GPU, t.kind);
    if (!b.code(t))
      return fail(FOVEA_BAD_BUNDLE,
                  "expected a %s section of index %u for target '%s'",
                  t.kind == FOVEA_TARGET_GPU ? "GPU_CODE" : "CODE",
                  t.code_section, b.string(t.name));
  }
  if (b.kernels.size() > 4096)
    return fail(FOVEA_BAD_BUNDLE, "expected at most 4096 kernels, got %u",
                b.kernels.size());
  for (const fovea_bundle_kernel &k : b.kernels)
    if (fovea_status st = KernelCheck(b, k).run())
      return st;
  return FOVEA_OK;
}

} // namespace fovea::rt
