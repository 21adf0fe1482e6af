// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From a case's folder to a spec, its arguments, and what must come out.
#include "test/conformance/OnnxCase.h"
#include "tools/fovea/npy/Npy.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace fovea;
using namespace fovea::conformance;
namespace json = llvm::json;

HostTensor View::contiguous() const {
  HostTensor result(storage.dtype, shape);
  for (int64_t i = 0; i < result.size(); ++i) {
    int64_t rest = i, from = 0;
    for (size_t axis = shape.size(); axis-- > 0; rest /= shape[axis])
      from += rest % shape[axis] * strides[axis];
    result.set(i, storage.get(from));
  }
  return result;
}

static std::vector<int64_t> rowMajor(const std::vector<int64_t> &shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t axis = shape.size(); axis-- > 1;)
    strides[axis - 1] = strides[axis] * shape[axis];
  return strides;
}

static View viewOf(HostTensor tensor) {
  std::vector<int64_t> shape = tensor.shape;
  return {std::move(tensor), shape, rowMajor(shape)};
}

/// Rank 3 is [b, s, heads * dim]: seen as [b, heads, s, dim] where it lies.
static View splitHeads(HostTensor tensor, int64_t heads) {
  if (tensor.shape.size() == 4)
    return viewOf(std::move(tensor));
  int64_t b = tensor.shape[0], s = tensor.shape[1], all = tensor.shape[2];
  int64_t dim = all / heads;
  return {std::move(tensor), {b, heads, s, dim}, {s * all, dim, all, 1}};
}

namespace {

/// The files of one case.
class Reader {
public:
  explicit Reader(std::string folder) : folder(std::move(folder)) {}

  llvm::Error open() {
    auto file = llvm::MemoryBuffer::getFile(folder + "/case.json");
    if (!file)
      return llvm::createStringError("cannot read " + folder + "/case.json");
    llvm::Expected<json::Value> value = json::parse((*file)->getBuffer());
    if (!value)
      return value.takeError();
    parsed = std::move(*value);
    return llvm::Error::success();
  }

  const json::Object &object() const { return *parsed.getAsObject(); }
  const json::Object *attributes() const {
    return object().getObject("attributes");
  }
  int64_t integer(llvm::StringRef name, int64_t otherwise) const {
    return attributes()->getInteger(name).value_or(otherwise);
  }
  double number(llvm::StringRef name, double otherwise) const {
    return attributes()->getNumber(name).value_or(otherwise);
  }

  /// Entry `position` of "inputs" or "outputs"; null if it is absent.
  const json::Object *entry(llvm::StringRef list, size_t position) const {
    const json::Array *entries = object().getArray(list);
    return position < entries->size() ? (*entries)[position].getAsObject()
                                      : nullptr;
  }

  llvm::Expected<HostTensor> tensor(const json::Object &entry) const {
    npy::Array array;
    std::string error,
        path = folder + "/" + entry.getString("file").value_or("").str();
    if (!npy::read(path, array, error))
      return llvm::createStringError(error);
    std::optional<fovea_dtype> dtype = dtypeOf(array.type);
    // numpy has no bf16: its bits lie in a file of uint16.
    if (entry.getString("dtype") == llvm::StringRef("bfloat16") &&
        npy::typeSize(array.type) == 2)
      dtype = FOVEA_DTYPE_BF16;
    if (!dtype)
      return llvm::createStringError(path + ": an element type of no use here");
    HostTensor tensor(*dtype, array.shape);
    tensor.bytes.assign(array.data.begin(), array.data.end());
    return tensor;
  }

private:
  static std::optional<fovea_dtype> dtypeOf(npy::Type type) {
    switch (type) {
    case npy::Type::F16:
      return FOVEA_DTYPE_F16;
    case npy::Type::F32:
      return FOVEA_DTYPE_F32;
    case npy::Type::F64:
      return FOVEA_DTYPE_F64;
    case npy::Type::I64:
      return FOVEA_DTYPE_I64;
    case npy::Type::Bool:
      return FOVEA_DTYPE_BOOL;
    default:
      return std::nullopt;
    }
  }

  std::string folder;
  json::Value parsed = nullptr;
};

/// The parts of a case while its spec is written.
struct Builder {
  OnnxCase out;
  View query, key, value;
  std::optional<HostTensor> mask, lengths;
  std::optional<int64_t> past; ///< keys before the new ones, may be none
  std::string arguments, clauses;

  int64_t b() const { return query.shape[0]; }
  int64_t hq() const { return query.shape[1]; }
  int64_t sq() const { return query.shape[2]; }
  int64_t sk() const { return key.shape[2]; }

  /// An argument; float64 enters as f32.
  void add(const std::string &name, const std::string &type, View view) {
    if (view.storage.dtype == FOVEA_DTYPE_F64) {
      HostTensor narrow(FOVEA_DTYPE_F32, view.storage.shape);
      for (int64_t i = 0; i < narrow.size(); ++i)
        narrow.set(i, view.storage.get(i));
      view.storage = std::move(narrow);
    }
    arguments += (arguments.empty() ? "%" : ", %") + name + ": " + type;
    out.argumentNames.push_back(name);
    out.arguments.push_back(std::move(view));
  }
};

} // namespace

/// The element type of a kernel's argument for such elements; "" without one.
static std::string elementOf(const HostTensor &tensor) {
  switch (tensor.dtype) {
  case FOVEA_DTYPE_F16:
    return "f16";
  case FOVEA_DTYPE_BF16:
    return "bf16";
  case FOVEA_DTYPE_F32:
  case FOVEA_DTYPE_F64:
    return "f32";
  default:
    return "";
  }
}

/// Keys or values of the past in front of the new ones.
static View concatenate(const View &past, const View &fresh) {
  HostTensor a = past.contiguous(), b = fresh.contiguous();
  std::vector<int64_t> shape = a.shape;
  shape[2] += b.shape[2];
  HostTensor all(a.dtype, shape);
  int64_t dim = shape[3];
  for (int64_t row = 0; row < all.size() / dim; ++row) {
    int64_t outer = row / shape[2], t = row % shape[2];
    bool old = t < a.shape[2];
    const HostTensor &from = old ? a : b;
    int64_t at =
        old ? outer * a.shape[2] + t : outer * b.shape[2] + t - a.shape[2];
    for (int64_t d = 0; d < dim; ++d)
      all.set(row * dim + d, from.get(at * dim + d));
  }
  return viewOf(std::move(all));
}

/// The mask over all of [b, hq, sq, sk]: broadcast from the right; a last axis
/// that is too short hides the keys beyond it.
static HostTensor expandMask(const HostTensor &mask, const Builder &c) {
  // A kernel takes no table of i1: bytes instead.
  bool boolean = mask.dtype == FOVEA_DTYPE_BOOL;
  HostTensor full(boolean ? FOVEA_DTYPE_I8 : mask.dtype,
                  {c.b(), c.hq(), c.sq(), c.sk()});
  std::vector<int64_t> shape(4 - mask.shape.size(), 1);
  shape.insert(shape.end(), mask.shape.begin(), mask.shape.end());
  for (int64_t i = 0; i < full.size(); ++i) {
    int64_t at[4], rest = i;
    for (int axis = 3; axis >= 0; rest /= full.shape[axis], --axis)
      at[axis] = rest % full.shape[axis];
    if (at[3] >= shape[3]) {
      full.set(i, boolean ? 0 : -std::numeric_limits<double>::infinity());
      continue;
    }
    int64_t from = 0;
    for (int axis = 0; axis < 4; ++axis)
      from = from * shape[axis] + (shape[axis] == 1 ? 0 : at[axis]);
    full.set(i, mask.get(from));
  }
  return full;
}

static std::string real(double x) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%.9e", x);
  return text;
}

/// The token that query 0 stands for: ONNX aligns causal masks at the top left
/// unless there is a past or a padded cache.
static void addOffset(Builder &c) {
  HostTensor offset(FOVEA_DTYPE_I32, {c.b()});
  for (int64_t b = 0; b < c.b(); ++b)
    offset.set(b, c.past      ? double(*c.past)
                  : c.lengths ? c.lengths->get(b) - double(c.sq())
                              : 0);
  c.add("off", "tensor<?xi32>", viewOf(std::move(offset)));
  c.clauses += " offset(%off : tensor<?xi32>)";
}

/// Masks, biases and the softcap as clauses and arguments.
static void addMasks(Builder &c, bool causal, double softcap) {
  // c * tanh(s / c) is even in c.
  std::string score =
      softcap != 0 ? "softcap(" + real(std::fabs(softcap)) + ")" : "";
  if (c.mask && c.mask->dtype != FOVEA_DTYPE_BOOL) {
    std::string bias = "tensor<?x" + std::to_string(c.hq()) + "x?x?x" +
                       elementOf(*c.mask) + ">";
    c.add("bias", bias, viewOf(expandMask(*c.mask, c)));
    score += (score.empty() ? "bias(%bias : " : ", bias(%bias : ") + bias + ")";
  } else if (c.mask) {
    std::string table = "tensor<?x" + std::to_string(c.hq()) + "x?x?xi8>";
    c.add("mask", table + " {attn.dims = \"b h sq sk\"}",
          viewOf(expandMask(*c.mask, c)));
    c.clauses += " mask { ^bb0(%b: index, %h: index, %i: index, %j: index):\n"
                 "      %o32 = tensor.extract %off[%b] : tensor<?xi32>\n"
                 "      %o = arith.index_cast %o32 : i32 to index\n"
                 "      %row = arith.subi %i, %o : index\n"
                 "      %zero = arith.constant 0 : i8\n"
                 "      %m8 = tensor.extract %mask[%b, %h, %row, %j] : " +
                 table + "\n      %m = arith.cmpi ne, %m8, %zero : i8\n";
    if (causal)
      c.clauses += "      %c = arith.cmpi sle, %j, %i : index\n"
                   "      %keep = arith.andi %m, %c : i1\n"
                   "      sel.yield %keep : i1 }";
    else
      c.clauses += "      sel.yield %m : i1 }";
    causal = false;
  }
  if (causal)
    c.clauses += " mask(causal)";
  if (!score.empty())
    c.clauses += " score(" + score + ")";
}

static void addTable(Builder &c, const ModifierTable &table) {
  HostTensor tensor(FOVEA_DTYPE_F32, table.shape);
  std::string type;
  for (int64_t n : table.shape)
    type += std::to_string(n) + "x";
  for (int64_t i = 0; i < tensor.size(); ++i)
    tensor.set(i, table.values[i]);
  c.add(table.name, "tensor<" + type + "f32>", viewOf(std::move(tensor)));
}

static void writeSpec(Builder &c) {
  auto tensor = [](const View &view, int64_t heads, int64_t dim) {
    return "tensor<?x" + std::to_string(heads) + "x?x" + std::to_string(dim) +
           "x" + elementOf(view.storage) + ">";
  };
  std::string o = tensor(c.query, c.hq(), c.value.shape[3]);
  c.out.spec = "!q = " + tensor(c.query, c.hq(), c.query.shape[3]) +
               "\n!k = " + tensor(c.key, c.key.shape[1], c.key.shape[3]) +
               "\n!v = " + tensor(c.value, c.value.shape[1], c.value.shape[3]) +
               "\n!o = " + o + "\nfunc.func @onnx(" + c.arguments +
               ") -> !o attributes {attn.kernel} {\n  %y = attn.attention %q, "
               "%k, %v" +
               c.clauses + " : (!q, !k, !v) -> !o\n  return %y : !o\n}\n";
  c.out.dims = {{"b", c.b()}, {"sq", c.sq()}, {"sk", c.sk()}};
}

/// Tensors of the inputs, by position; absent ones stay empty.
static llvm::Error readInputs(const Reader &reader, Builder &c) {
  std::vector<std::optional<HostTensor>> in(7);
  for (size_t i = 0; i < in.size(); ++i)
    if (const json::Object *entry = reader.entry("inputs", i)) {
      llvm::Expected<HostTensor> tensor = reader.tensor(*entry);
      if (!tensor)
        return tensor.takeError();
      in[i] = std::move(*tensor);
    }
  for (size_t i = 0; i < 3; ++i)
    if (!in[i] || elementOf(*in[i]).empty())
      return llvm::createStringError("no Q, K and V of a float type");
  if (in[3] && in[3]->dtype != FOVEA_DTYPE_BOOL && elementOf(*in[3]).empty())
    c.out.unsupported = "a mask that is neither bool nor float";
  if (in[4].has_value() != in[5].has_value())
    return llvm::createStringError("a past of keys or values alone");
  c.query = splitHeads(std::move(*in[0]), reader.integer("q_num_heads", 1));
  c.key = splitHeads(std::move(*in[1]), reader.integer("kv_num_heads", 1));
  c.value = splitHeads(std::move(*in[2]), reader.integer("kv_num_heads", 1));
  c.mask = std::move(in[3]);
  c.lengths = std::move(in[6]);
  if (in[4]) {
    c.past = in[4]->shape[2];
    c.key = concatenate(viewOf(std::move(*in[4])), c.key);
    c.value = concatenate(viewOf(std::move(*in[5])), c.value);
  }
  return llvm::Error::success();
}

/// The stored outputs.
static llvm::Error readOutputs(const Reader &reader, Builder &c) {
  for (size_t i = 0; i < 4; ++i) {
    const json::Object *entry = reader.entry("outputs", i);
    if (!entry)
      continue;
    std::string name = entry->getString("name").value_or("").str();
    if (i == 3) {
      c.out.refusedOutputs.push_back(name);
      continue;
    }
    llvm::Expected<HostTensor> tensor = reader.tensor(*entry);
    if (!tensor)
      return tensor.takeError();
    if (i == 0)
      c.out.want = std::move(*tensor);
    else
      c.out.presentIsCopy.emplace_back(
          name, tensor->bytes == (i == 1 ? c.key : c.value).contiguous().bytes);
  }
  // Y has the layout of Q.
  bool narrow = c.out.want.dtype == FOVEA_DTYPE_F64;
  if (narrow) {
    double most = 0;
    for (double x : c.out.want.values())
      most = std::max(most, std::fabs(x));
    c.out.atol = std::max(c.out.atol, 2e-6 * most);
  }
  HostTensor y(narrow ? FOVEA_DTYPE_F32 : c.out.want.dtype, c.out.want.shape);
  c.out.result = splitHeads(std::move(y), c.hq());
  return llvm::Error::success();
}

llvm::Expected<OnnxCase>
fovea::conformance::readCase(const std::string &folder) {
  Reader reader(folder);
  if (llvm::Error error = reader.open())
    return error;
  Builder c;
  c.out.name = reader.object().getString("name").value_or("").str();
  if (const json::Object *tolerance = reader.object().getObject("tolerance")) {
    c.out.rtol = tolerance->getNumber("rtol").value_or(0);
    c.out.atol = tolerance->getNumber("atol").value_or(0);
  }
  if (llvm::Error error = readInputs(reader, c))
    return error;
  if (llvm::Error error = readOutputs(reader, c))
    return error;
  if (!c.out.unsupported.empty())
    return std::move(c.out);

  c.add("q", "!q", c.query);
  c.add("k", "!k", c.key);
  c.add("v", "!v", c.value);
  addOffset(c);
  addMasks(c, reader.integer("is_causal", 0) != 0, reader.number("softcap", 0));
  for (const char *kind : {"score_mod", "prob_mod"})
    if (const json::Object *graph = reader.object().getObject(kind)) {
      std::vector<ModifierTable> tables;
      llvm::Expected<std::string> region =
          modifierRegion(*graph, {c.b(), c.hq(), c.sq(), c.sk()}, kind, tables);
      if (!region) {
        c.out.unsupported = llvm::toString(region.takeError());
        return std::move(c.out);
      }
      for (ModifierTable &table : tables)
        addTable(c, table);
      c.clauses += (kind[0] == 's' ? " score " : " prob ") + *region;
    }
  if (reader.attributes()->get("scale"))
    c.clauses += " scale(" + real(reader.number("scale", 1)) + ")";
  if (c.lengths) {
    HostTensor lengths(FOVEA_DTYPE_I32, c.lengths->shape);
    for (int64_t i = 0; i < lengths.size(); ++i)
      lengths.set(i, std::clamp<double>(c.lengths->get(i), 0, c.sk()));
    c.add("len", "tensor<?xi32>", viewOf(std::move(lengths)));
    c.clauses += " lengths(%len : tensor<?xi32>)";
  }
  writeSpec(c);
  return std::move(c.out);
}
