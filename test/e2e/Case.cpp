// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From a row of the table to a spec, to arguments, and to the oracle's result.
#include "test/e2e/Case.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>

using namespace fovea;
using namespace fovea::e2e;

const HostValue &Given::at(const std::string &name) const {
  for (const HostValue &value : values)
    if (value.name == name)
      return value;
  std::abort(); // a row of the table names an argument that it does not have
}

std::vector<double> Given::reals(const std::string &name) const {
  return at(name).tensor.values();
}

naive::Array Given::array(const std::string &name) const {
  naive::Array array;
  array.shape = at(name).tensor.shape;
  array.data = at(name).tensor.values();
  return array;
}

int64_t Given::integer(const std::string &name) const { return at(name).i; }

static std::string tensor(int64_t heads, int64_t dim, const std::string &type,
                          bool coded = false) {
  return "tensor<?x" + std::to_string(heads) + "x?x" + std::to_string(dim) +
         "x" + type + (coded ? ", #kv.int8<per tok>" : "") + ">";
}

/// The clauses that all sources share.
static std::string clausesOf(const Case &c) {
  std::string text;
  if (!c.mask.empty())
    text += c.mask[0] == '{' ? " mask " + c.mask : " mask(" + c.mask + ")";
  if (!c.score.empty())
    text += c.score[0] == '{' ? " score " + c.score : " score(" + c.score + ")";
  if (!c.prob.empty())
    text += " prob " + c.prob;
  if (c.sink)
    text += " sink_logits(%sink : tensor<" + std::to_string(c.hq) + "xf32>)";
  if (c.scale != 0) {
    std::string number;
    llvm::raw_string_ostream(number) << llvm::format("%.17g", c.scale);
    text += " scale(" + number +
            (number.find_first_of(".e") == std::string::npos ? ".0)" : ")");
  }
  if (!c.offsets.empty())
    text += " offset(%off : tensor<?xi32>)";
  if (!c.lengths.empty())
    text += " lengths(%len : tensor<?xi32>)";
  if (!c.order.empty())
    text += " order(" + c.order + ")";
  return text;
}

static std::string blocksOf(const Case &c) {
  return "<per = (b, h, q : " + std::to_string(c.queryBlock) +
         "), unit = k : " + std::to_string(c.unit);
}

/// The ops in front of attention, and what they add to its clauses.
static std::string bodyOf(const Case &c, const std::string &results,
                          const std::string &types) {
  auto without = [&](bool Case::*flag) {
    Case other = c;
    other.*flag = false;
    return clausesOf(other);
  };
  std::string clauses = clausesOf(c), out = c.lse ? "%o, %lse" : "%o";
  switch (c.source) {
  case Source::Plain:
    return "  " + out + " = attn.attention %q, %k, %v" + clauses +
           " : (!q, !k, !v) -> " + types + "\n";
  case Source::Merged:
    return "  %o0, %m0, %l0 = attn.partial %q, %k, %v" + clauses +
           " : (!q, !k, !v) -> (!f, !r, !r)\n"
           "  %o1, %m1, %l1 = attn.partial %q, %k1, %v1" +
           without(&Case::sink) + " : (!q, !k, !v) -> (!f, !r, !r)\n  " + out +
           " = attn.merge lse(%o0, %m0, %l0), (%o1, %m1, %l1) : (!f, !r, !r), "
           "(!f, !r, !r) -> " +
           types + "\n";
  case Source::Pyramid:
    return "  %p = sel.pool %k, %v levels(1, 2, 4, 8) reduce(mean) : !k, !v -> "
           "!p\n  %map = sel.levels %m : tensor<?x" +
           std::to_string(c.hq) + "x?x?xi8> -> !l\n  " + out +
           " = attn.attention %q, %p levels(%map : !l)" + clauses +
           " : (!q, !p) -> " + types + "\n";
  case Source::Leveled:
    return "  %p = sel.pool %k, %v levels(1, 2, 4, 8) reduce(mean) : !k, !v -> "
           "!p\n  " +
           out + " = attn.attention %q, %p" + clauses + " : (!q, !p) -> " +
           types + "\n";
  case Source::Chosen:
    break;
  }
  std::string force;
  if (c.diagonal)
    force = "diagonal";
  if (c.first)
    force += std::string(force.empty() ? "" : ", ") + "first(" +
             std::to_string(c.first) + ")";
  if (!force.empty())
    force = " force(" + force + ")";
  std::string scoreClauses = clausesOf([&] {
    Case masked = c;
    masked.score.clear();
    masked.prob.clear();
    masked.sink = false;
    return masked;
  }());
  std::string amount = "top_k(" + std::to_string(c.topK) + ")";
  std::string text =
      "  %s = sel.score %q, %k pooled" + scoreClauses + " : !q, !k -> !s\n";
  if (c.topP != 0) {
    llvm::raw_string_ostream os(text);
    os << "  %n = sel.normalize %s softmax(keys) : !s\n";
    amount.clear();
    llvm::raw_string_ostream(amount) << llvm::format("top_p(%.6g)", c.topP);
  }
  return text + "  %l = sel.choose " + (c.topP != 0 ? "%n " : "%s ") + amount +
         force + " : !s -> !l\n  " + out +
         " = attn.attention %q, %k, %v over(%l : !l)" + clauses +
         " : (!q, !k, !v) -> " + types + "\n";
}

std::string Case::spec() const {
  std::string q = tensor(hq, d, type), k = tensor(hk, d, type, coded),
              v = tensor(hk, dv, type, coded), o = tensor(hq, dv, type);
  std::string rows = "tensor<?x" + std::to_string(hq) + "x?xf32>";
  std::string text = "!q = " + q + "\n!k = " + k + "\n!v = " + v +
                     "\n!o = " + o + "\n!r = " + rows + "\n";
  std::string arguments = "%q: !q, %k: !k, %v: !v";
  std::string blocks = blocksOf(*this);
  switch (source) {
  case Source::Plain:
    break;
  case Source::Merged:
    text += "!f = " + tensor(hq, dv, "f32") + "\n";
    arguments += ", %k1: !k, %v1: !v";
    break;
  case Source::Pyramid:
    text += "!p = !kv.pyramid<levels = [1, 2, 4, 8], of = (!k, !v)>\n!l = "
            "!sel.levels" +
            blocks + ">\n";
    arguments += ", %m: tensor<?x" + std::to_string(hq) + "x?x?xi8>";
    break;
  case Source::Leveled:
    text += "!p = !kv.pyramid<levels = [1, 2, 4, 8], of = (!k, !v)>\n";
    break;
  case Source::Chosen:
    text += "!s = !sel.scores" + blocks + ">\n!l = !kv.list" + blocks +
            ", order = ascending>\n";
    break;
  }
  arguments += extra;
  if (sink)
    arguments += ", %sink: tensor<" + std::to_string(hq) + "xf32>";
  if (!offsets.empty())
    arguments += ", %off: tensor<?xi32>";
  if (!lengths.empty())
    arguments += ", %len: tensor<?xi32>";
  std::string types = lse ? "(!o, !r)" : "!o";
  text += "func.func @" + name + "(" + arguments + ") -> " + types +
          " attributes {attn.kernel} {\n";
  text += prelude + bodyOf(*this, lse ? "%o, %lse" : "%o", types);
  return text +
         (lse ? "  return %o, %lse : !o, !r\n}\n" : "  return %o : !o\n}\n");
}

Dims Case::callDims() const {
  Dims dims = {{"b", b}, {"sq", sq}, {"sk", sk}};
  if (source == Source::Merged)
    dims["sk_k1"] = sk; // the loader names the keys of the second pair
  return dims;
}

/// Writes NaN into rows [length, sk) of a key or value, or of its scales.
static void poisonTail(HostTensor &tensor,
                       const std::vector<int64_t> &lengths) {
  int64_t heads = tensor.shape[1], tokens = tensor.shape[2];
  int64_t dim = tensor.shape.size() > 3 ? tensor.shape[3] : 1;
  for (int64_t i = 0; i < tensor.size(); ++i)
    if (i / dim % tokens >= lengths[i / dim / tokens / heads])
      tensor.set(i, std::numeric_limits<double>::quiet_NaN());
}

void Case::adjust(std::vector<HostValue> &values) const {
  for (HostValue &value : values) {
    const std::vector<int64_t> *fixed = value.name == "len"   ? &lengths
                                        : value.name == "off" ? &offsets
                                                              : nullptr;
    for (size_t i = 0; fixed && i < fixed->size(); ++i)
      value.tensor.set(i, double((*fixed)[i]));
    bool data = value.name == "k" || value.name == "v" ||
                value.name == "k.scale" || value.name == "v.scale";
    if (poison && data)
      poisonTail(value.tensor, lengths);
    if (nanQuery && value.name == "q")
      value.tensor.set(0, std::numeric_limits<double>::quiet_NaN());
    for (const Planted &p : planted)
      if (value.name == p.name)
        value.tensor.set(p.token * (value.tensor.shape.size() == 4
                                        ? value.tensor.shape[3]
                                        : 1),
                         p.number);
  }
}

/// A key or value argument as numbers: decoded if it is coded.
static naive::Array numbers(const Case &c, const Given &given,
                            const std::string &name) {
  if (!c.coded)
    return given.array(name);
  naive::Array codes = given.array(name + ".codes");
  std::vector<double> scales = given.reals(name + ".scale");
  for (size_t i = 0; i < codes.data.size(); ++i)
    codes.data[i] *= scales[i / codes.shape[3]];
  return codes;
}

/// Keys of `a` followed by those of `b`.
static naive::Array append(const naive::Array &a, const naive::Array &b) {
  naive::Array result(
      {a.shape[0], a.shape[1], a.shape[2] + b.shape[2], a.shape[3]});
  for (int64_t i = 0; i < a.shape[0]; ++i)
    for (int64_t h = 0; h < a.shape[1]; ++h)
      for (int64_t t = 0; t < result.shape[2]; ++t)
        for (int64_t x = 0; x < a.shape[3]; ++x)
          result(i, h, t, x) =
              t < a.shape[2] ? a(i, h, t, x) : b(i, h, t - a.shape[2], x);
  return result;
}

/// The blocks that selection chooses, from its definition.
static naive::Lists choose(const Case &c, const naive::Inputs &in,
                           const naive::Keep &keep) {
  naive::Array queries =
      naive::pool(in.q, c.queryBlock, std::vector<int64_t>(c.b, c.sq));
  naive::Array keys = naive::pool(in.k, c.unit, in.length);
  naive::Lists lists(c.b,
                     {std::vector<std::vector<std::vector<int64_t>>>(c.hq)});
  for (int64_t b = 0; b < c.b; ++b)
    for (int64_t h = 0; h < c.hq; ++h)
      for (int64_t p = 0; p * c.queryBlock < c.sq; ++p) {
        int64_t q0 = p * c.queryBlock, q1 = std::min(q0 + c.queryBlock, c.sq);
        std::vector<double> row;
        std::vector<bool> forced;
        for (int64_t u = 0; u * c.unit < c.sk; ++u) {
          int64_t k0 = u * c.unit, k1 = std::min(k0 + c.unit, in.length[b]);
          bool live = false, touches = false;
          for (int64_t i = q0; i < q1; ++i)
            for (int64_t k = k0; k < k1; ++k) {
              live |= keep(b, h, i + in.offset[b], k);
              touches |= i + in.offset[b] == k;
            }
          double s = naive::dot(queries, keys, b, h, p, h / (c.hq / c.hk), u);
          row.push_back(live ? in.scale * s : -naive::infinity);
          forced.push_back((c.diagonal && touches) || u < c.first);
        }
        lists[b][h].push_back(c.topP != 0 ? naive::topP(naive::normalize(row),
                                                        forced, float(c.topP))
                                          : naive::topK(row, forced, c.topK));
      }
  return lists;
}

naive::Outputs Case::oracle(const std::vector<HostValue> &values) const {
  Given given{values, offsets, lengths};
  if (given.length.empty())
    given.length.assign(b, sk);
  if (given.offset.empty())
    for (int64_t n : given.length)
      given.offset.push_back(n - sq);
  naive::Inputs in;
  in.q = given.array("q");
  in.k = numbers(*this, given, "k");
  in.v = numbers(*this, given, "v");
  in.offset = given.offset;
  in.length = given.length;
  in.scale = scale != 0 ? scale : 1 / std::sqrt(double(d));
  if (sink)
    in.sinks = given.reals("sink");
  if (share)
    in.prob = share(given);
  naive::Keep seen = keep ? keep(given) : naive::everything();
  naive::Score modified = modify ? modify(given) : naive::same();
  switch (source) {
  case Source::Plain:
    return naive::attention(in, seen, modified);
  case Source::Merged: {
    in.k = append(in.k, numbers(*this, given, "k1"));
    in.v = append(in.v, numbers(*this, given, "v1"));
    in.length.assign(b, 2 * sk);
    // Both parts count their keys from 0, and their last query is the last key.
    int64_t half = sk;
    auto wrapped = [=](int64_t batch, int64_t h, int64_t q, int64_t k) {
      return seen(batch, h, q, k % half);
    };
    return naive::attention(in, wrapped, modified);
  }
  case Source::Pyramid: {
    naive::Array map = given.array("m");
    auto level = [&](int64_t batch, int64_t h, int64_t i, int64_t block) {
      return int64_t(map(batch, h, i / queryBlock, block));
    };
    return naive::pyramid(in, level, unit, seen, modified);
  }
  case Source::Leveled:
    return naive::leveled(in, {1, 2, 4, 8}, level(given), modified);
  case Source::Chosen: {
    naive::Keep listed =
        naive::chosen(choose(*this, in, seen), unit, queryBlock, 1, in.offset);
    return naive::attention(in, naive::both(seen, listed), modified);
  }
  }
  return {};
}

std::string Case::commandLine() const {
  std::string text = "fovea verify " + name + ".mlir --shape=", separator;
  for (const auto &[dim, extent] : callDims()) {
    text += separator + dim + "=" + std::to_string(extent);
    separator = ",";
  }
  text += " --seed=" + std::to_string(seed);
  if (!lengths.empty())
    text += " --in len=" + name + ".len.npy";
  if (!offsets.empty())
    text += " --in off=" + name + ".off.npy";
  return text;
}

/// The mask tree(%parents) by its definition.
static MakeKeep treeByToken() {
  return [](const Given &g) {
    std::vector<double> parents = g.reals("parents");
    return naive::Keep([=](int64_t, int64_t, int64_t q, int64_t k) {
      while (q > k && parents[q] >= 0 && parents[q] < q)
        q = int64_t(parents[q]);
      return q == k;
    });
  };
}

/// documents(cu_seqlens(%cu)), in a row for all or one by batch, and another
/// mask.
static MakeKeep segments(naive::Keep other) {
  return [=](const Given &g) {
    const naive::Array cu = g.array("cu");
    int64_t n = cu.shape.back();
    auto segmentOf = [=](int64_t b, int64_t token) {
      int64_t found = -1;
      for (int64_t i = 0; i + 1 < n; ++i) {
        auto at = [&](int64_t j) {
          return cu.shape.size() == 2 ? cu(b, j) : cu(j);
        };
        if (at(i) <= token && token < at(i + 1))
          found = i;
      }
      return found;
    };
    return naive::Keep([=](int64_t b, int64_t h, int64_t q, int64_t k) {
      int64_t own = segmentOf(b, q);
      return own >= 0 && own == segmentOf(b, k) && other(b, h, q, k);
    });
  };
}

std::vector<Case> e2e::cases() {
  return {
#include "test/e2e/cases.inc"
  };
}
