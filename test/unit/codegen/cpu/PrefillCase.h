// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One prefill kernel, its data and a naive float64 reference: shared by the
// test and the development benchmark of the prefill stream.
#ifndef FOVEA_TEST_UNIT_CODEGEN_CPU_PREFILLCASE_H
#define FOVEA_TEST_UNIT_CODEGEN_CPU_PREFILLCASE_H

#include "test/unit/codegen/cpu/LoadObject.h"
#include "test/unit/codegen/cpu/Scratch.h"

#include "codegen/cpu/PrefillStream.h"

#include <fovea/abi.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace fovea::cpu {

inline float toFloat(Elem elem, const void *p, int64_t i) {
  switch (elem) {
  case Elem::F32:
    return static_cast<const float *>(p)[i];
  case Elem::F16:
    return static_cast<float>(static_cast<const _Float16 *>(p)[i]);
  case Elem::BF16: {
    uint32_t bits = uint32_t(static_cast<const uint16_t *>(p)[i]) << 16;
    float f;
    std::memcpy(&f, &bits, 4);
    return f;
  }
  case Elem::I8:
    return static_cast<const int8_t *>(p)[i];
  }
  return 0;
}

inline void fromFloat(Elem elem, void *p, int64_t i, float x) {
  switch (elem) {
  case Elem::F32:
    static_cast<float *>(p)[i] = x;
    break;
  case Elem::F16:
    static_cast<_Float16 *>(p)[i] = static_cast<_Float16>(x);
    break;
  case Elem::BF16: {
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    static_cast<uint16_t *>(p)[i] = bits >> 16;
    break;
  }
  case Elem::I8:
    static_cast<int8_t *>(p)[i] = static_cast<int8_t>(std::lrint(x));
    break;
  }
}

/// A tensor [b, h, t, d] in a format, with the order of h and t and the
/// padding of rows free.
struct Tensor {
  Elem elem = Elem::F32;
  int64_t b = 1, h = 1, t = 1, d = 1, stride[4] = {};
  std::vector<char> bytes;
  std::vector<float> scales; ///< [b, h, t] of codes

  void allocate(Elem e, int64_t b_, int64_t h_, int64_t t_, int64_t d_,
                bool tokenMajor = false, int64_t pad = 0) {
    elem = e, b = b_, h = h_, t = t_, d = d_;
    int64_t row = d + pad;
    stride[3] = 1;
    stride[2] = tokenMajor ? h * row : row;
    stride[1] = tokenMajor ? row : t * row;
    stride[0] = h * t * row;
    bytes.assign((b * h * t * row + 64) * sizeOf(elem), 0);
    scales.assign(elem == Elem::I8 ? b * h * t : 0, 0);
  }
  int64_t at(int64_t ib, int64_t ih, int64_t it, int64_t id) const {
    return ib * stride[0] + ih * stride[1] + it * stride[2] + id;
  }
  float get(int64_t ib, int64_t ih, int64_t it, int64_t id) const {
    float x = toFloat(elem, bytes.data(), at(ib, ih, it, id));
    return scales.empty() ? x : x * scales[(ib * h + ih) * t + it];
  }
  void set(int64_t ib, int64_t ih, int64_t it, int64_t id, float x) {
    fromFloat(elem, bytes.data(), at(ib, ih, it, id), x);
  }
  void randomize(std::mt19937 &rng, float spread) {
    std::uniform_real_distribution<float> uniform(-spread, spread);
    std::uniform_real_distribution<float> scale(0.005f, 0.02f);
    for (float &x : scales)
      x = scale(rng) * spread;
    for (int64_t i = 0; i < b * h * t; ++i)
      for (int64_t j = 0; j < d; ++j)
        set(i / (h * t), i / t % h, i % t, j,
            elem == Elem::I8 ? float(int(rng() % 255) - 127) : uniform(rng));
  }
  fovea_abi_view view() {
    fovea_abi_view v = {bytes.data(), {b, h, t, d}, {}};
    std::memcpy(v.stride, stride, sizeof stride);
    return v;
  }
  fovea_abi_view scaleView() {
    return {scales.data(), {b, h, t}, {h * t, t, 1}};
  }
};

/// The predicate as the reference knows it.
using Predicate = std::function<bool(int64_t h, int64_t q, int64_t k)>;

struct PrefillCase {
  StreamParams params;
  int64_t batch = 1, kvHeads = 1, sq = 1, sk = 1;
  bool tokenMajor = false;
  int64_t pad = 0;
  std::vector<int64_t> qOff, kLen; ///< default sk - sq and sk
  Tensor q, k, v, o;
  std::vector<float> lse, splitO, splitM, splitL;
  std::vector<fovea_abi_item> items;
  std::vector<int64_t> symbols;
  std::vector<fovea_abi_view> more; ///< slots from 10 on
  fovea_abi_counters counters = {};
  int32_t result = 0;

  int64_t kvGroup() const {
    return params.kvGroup ? params.kvGroup : params.group;
  }
  int64_t heads() const { return kvHeads * kvGroup(); }

  /// View slots: 0 q, 1 k, 2 v, 3 o, 4 lse, 5/6 scales, 7..9 split state.
  void allocate(std::mt19937 &rng, float spread = 1) {
    const StreamSource &s = params.sources[0];
    q.allocate(params.queryElem, batch, heads(), sq, params.keyDim, tokenMajor,
               pad);
    k.allocate(s.keyElem, batch, kvHeads, sk, params.keyDim, tokenMajor, pad);
    v.allocate(s.valueElem, batch, kvHeads, sk, params.valueDim, tokenMajor,
               pad);
    o.allocate(params.outElem, batch, heads(), sq, params.valueDim, tokenMajor,
               pad);
    for (Tensor *t : {&q, &k, &v})
      t->randomize(rng, spread);
    lse.assign(batch * heads() * sq, 0);
    if (qOff.empty())
      qOff.assign(batch, sk - sq);
    if (kLen.empty())
      kLen.assign(batch, sk);
    planItems(1);
  }

  /// One item per query tile, cut into `splits` key ranges.
  void planItems(int splits) {
    items.clear();
    int64_t rows = sq * params.group, slot = 0;
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t h = 0; h < heads() / params.group; ++h)
        for (int64_t r = 0; r < rows; r += params.schedule.rows)
          for (int i = 0; i < splits; ++i) {
            fovea_abi_item item = {};
            item.b = b, item.head = h, item.row = r;
            item.slot = splits == 1 ? -1 : slot++;
            item.k0 = sk * i / splits, item.k1 = sk * (i + 1) / splits;
            items.push_back(item);
          }
    int64_t n = slot * params.schedule.rows;
    splitO.assign(n * params.valueDim, 0);
    splitM.assign(n, 0);
    splitL.assign(n, 0);
  }

  void run(fovea_stage_fn fn, void *scratch) {
    int64_t rows = params.schedule.rows, dv = params.valueDim;
    fovea_abi_view views[16] = {q.view(), k.view(), v.view(), o.view()};
    // 4 is lse or m of a partial result, 5 the scales or l.
    views[4] = {lse.data(), {batch, heads(), sq}, {heads() * sq, sq, 1}};
    views[5] = k.scaleView();
    if (params.partial)
      views[5] = {splitL.data(), {batch, heads(), sq}, {heads() * sq, sq, 1}};
    views[6] = v.scaleView();
    int64_t slots = splitM.size() / std::max<int64_t>(rows, 1);
    views[7] = {splitO.data(), {slots, rows, dv}, {rows * dv, dv, 1}};
    views[8] = {splitM.data(), {slots, rows}, {rows, 1}};
    views[9] = {splitL.data(), {slots, rows}, {rows, 1}};
    std::copy(more.begin(), more.end(), views + 10);
    fovea_abi_args args = {sizeof args, 16, views, nullptr};
    fovea_abi_plan plan = {};
    plan.size = sizeof plan;
    plan.items = items.data();
    plan.n_items = items.size();
    plan.symbols = symbols.data();
    plan.q_off = qOff.data();
    plan.k_len = kLen.data();
    std::memset(scratch, 0, sizeof counters);
    result = fn(&args, &plan, 0, items.size(), scratch);
    std::memcpy(&counters, scratch, sizeof counters);
  }

  /// Row (b, h, i) of the result in float64. Returns lse.
  double reference(
      int64_t b, int64_t h, int64_t i, const Predicate &keep,
      const std::function<double(double, int64_t, int64_t, int64_t)> &score,
      std::vector<double> &out, double *maxScore = nullptr) {
    int64_t kv = h / kvGroup(), qi = i + qOff[b], len = kLen[b];
    std::vector<double> s(len, -INFINITY);
    double m = -INFINITY, l = 0;
    for (int64_t j = 0; j < len; ++j) {
      if (keep && !keep(h, qi, j))
        continue;
      double sum = 0;
      for (int64_t d = 0; d < params.keyDim; ++d)
        sum += double(q.get(b, h, i, d)) * k.get(b, kv, j, d);
      s[j] = sum * params.scale;
      if (score)
        s[j] = score(s[j], h, qi, j);
      m = std::max(m, s[j]);
      if (maxScore)
        *maxScore = std::max(*maxScore, std::abs(s[j]));
    }
    out.assign(params.valueDim, 0);
    for (int64_t j = 0; j < len; ++j) {
      if (s[j] == -INFINITY)
        continue;
      double p = std::exp(s[j] - m);
      l += p;
      for (int64_t d = 0; d < params.valueDim; ++d)
        out[d] += p * v.get(b, kv, j, d);
    }
    for (double &x : out)
      x = l == 0 ? 0 : x / l;
    return l == 0 ? -INFINITY : m + std::log(l);
  }
};

/// A built and loaded prefill stage with its scratch memory.
class PrefillKernel {
public:
  /// `prepare` may add functions (bounds, class) to the module and set them.
  explicit PrefillKernel(
      StreamParams &params,
      llvm::function_ref<void(mlir::OpBuilder &, StreamParams &)> prepare = {},
      MachineTarget *machine = nullptr) {
    using namespace mlir;
    module = ModuleOp::create(UnknownLoc::get(&testContext()));
    OpBuilder builder(&testContext());
    builder.setInsertionPointToEnd(module->getBody());
    if (prepare)
      prepare(builder, params);
    auto scratchBytes =
        buildPrefillStream(builder, module->getLoc(), params, reason);
    if (failed(scratchBytes))
      return;
    bytes = *scratchBytes;
    memory = std::make_unique<Scratch>(bytes);
    loaded = std::make_unique<LoadedModule>(
        *module, machine ? *machine : machineFor(params.isa), &times);
    if (loaded->undefined.empty())
      fn = loaded->get<int32_t(const fovea_abi_args *, const fovea_abi_plan *,
                               int64_t, int64_t, void *)>(params.name);
  }

  std::string reason;
  fovea_stage_fn fn = nullptr;
  int64_t bytes = 0;
  LoweringTimes times;
  std::unique_ptr<Scratch> memory;
  std::unique_ptr<LoadedModule> loaded;

private:
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

/// Parameters of a dense stream with the slots of PrefillCase.
inline StreamParams plainParams(Isa isa, Elem elem, int64_t keyDim,
                                int64_t valueDim, int64_t group = 1) {
  StreamParams p;
  p.isa = isa;
  bool wide = isa == Isa::AVX512;
  p.schedule = {wide ? 12 : 6, wide ? 32 : 16, 96, wide ? 128 : 64, false};
  p.keyDim = keyDim, p.valueDim = valueDim;
  p.group = p.kvGroup = group;
  p.scale = 1 / std::sqrt(float(keyDim));
  p.queryElem = p.outElem = elem == Elem::I8 ? Elem::F32 : elem;
  p.query = 0, p.out = 3;
  StreamSource source;
  source.keys = 1, source.values = 2;
  source.keyElem = source.valueElem = elem;
  if (elem == Elem::I8)
    source.keyScales = 5, source.valueScales = 6;
  p.sources = {source};
  return p;
}

/// causal and window(w): bounds and class as the mask solver writes them, and
/// the predicate as code. w = 0: no window.
inline void addCausal(mlir::OpBuilder &b, StreamParams &p, int64_t w) {
  using namespace mlir;
  auto slt = arith::CmpIPredicate::slt, sle = arith::CmpIPredicate::sle;
  MLIRContext *ctx = b.getContext();
  auto loc = b.getUnknownLoc();
  p.bounds = b.create<func::FuncOp>(loc, "m_bounds", boundsType(ctx));
  p.bounds.setPrivate();
  {
    Emitter e(p.bounds, p.isa);
    Value q0 = p.bounds.getArgument(3), q1 = p.bounds.getArgument(4);
    Value len = p.bounds.getArgument(5), runs = p.bounds.getArgument(6);
    Value zero = e.cI64(0);
    Value lo = w ? e.maxS(zero, e.sub(q0, w - 1)) : zero;
    Value hi = e.minS(len, q1);
    e.store(lo, runs);
    e.store(hi, e.at(runs, 8));
    e.ret(e.toInt(e.cmp(slt, lo, hi), e.i32));
  }
  p.classify = b.create<func::FuncOp>(loc, "m_class", classType(ctx));
  p.classify.setPrivate();
  {
    Emitter e(p.classify, p.isa);
    auto arg = [&](int i) { return p.classify.getArgument(i); };
    Value q0 = arg(3), q1 = arg(4), k0 = arg(5), k1 = arg(6);
    Value full = e.cmp(sle, e.sub(k1, 1), q0);
    Value empty = e.cmp(slt, e.sub(q1, 1), k0);
    if (w) {
      full = e.andI(full, e.cmp(slt, e.sub(e.sub(q1, 1), w), k0));
      empty = e.orI(empty, e.cmp(sle, k1, e.sub(q0, w - 1)));
    }
    e.ret(e.select(
        empty, e.cI32(FOVEA_TILE_EMPTY),
        e.select(full, e.cI32(FOVEA_TILE_FULL), e.cI32(FOVEA_TILE_PARTIAL))));
  }
  p.keep = [w](Emitter &e, const ElementContext &c) -> FailureOr<Value> {
    auto sle = arith::CmpIPredicate::sle;
    Value k = e.splat(e.toInt(c.k, e.i32), Emitter::lanesOf(c.q));
    Value keep = e.cmp(sle, k, c.q);
    if (w)
      keep = e.andI(keep, e.cmp(sle, e.sub(c.q, w - 1), k));
    return keep;
  };
}

} // namespace fovea::cpu

#endif // FOVEA_TEST_UNIT_CODEGEN_CPU_PREFILLCASE_H
