// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds out what a kernel uses its arguments for, and makes values for them.
#include "tools/fovea/SpecArguments.h"
#include "tools/fovea/Random.h"

#include "dialects/attn/Attn.h"
#include "dialects/kv/KV.h"
#include "dialects/reference/Interpreter.h"
#include "dialects/reference/Select.h"
#include "dialects/sel/Sel.h"

#include "llvm/ADT/StringExtras.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace fovea;

fovea_dtype fovea::dtypeOf(Type element) {
  if (element.isF32())
    return FOVEA_DTYPE_F32;
  if (element.isF16())
    return FOVEA_DTYPE_F16;
  if (element.isBF16())
    return FOVEA_DTYPE_BF16;
  if (element.isF64())
    return FOVEA_DTYPE_F64;
  if (element.isInteger(1))
    return FOVEA_DTYPE_BOOL;
  if (element.isInteger(8))
    return FOVEA_DTYPE_I8;
  if (element.isInteger(32))
    return FOVEA_DTYPE_I32;
  if (element.isInteger(64) || element.isIndex())
    return FOVEA_DTYPE_I64;
  return FOVEA_DTYPE_NONE;
}

reference::Tensor fovea::toTensor(const HostTensor &tensor) {
  reference::Tensor result;
  result.shape = tensor.shape;
  result.data = tensor.values();
  if (tensor.dtype == FOVEA_DTYPE_I64) {
    result.words.resize(static_cast<size_t>(tensor.size()));
    std::memcpy(result.words.data(), tensor.bytes.data(), tensor.bytes.size());
  }
  return result;
}

static bool contains(ValueRange values, mlir::Value value) {
  return llvm::is_contained(values, value);
}

/// The `heads` of a mask whose classes are `value`, or null.
static sel::HeadsAttr headsOf(sel::MaskAttrInterface mask, ValueRange operands,
                              mlir::Value value) {
  sel::HeadsAttr found;
  if (mask)
    Attribute(mask).walk([&](sel::HeadsAttr heads) {
      auto choice = dyn_cast<sel::ArgAttr>(heads.getChoice());
      if (choice && operands[choice.getIndex()] == value)
        found = heads;
    });
  return found;
}

/// The use of `value` as operand of a mask: documents take a table of ids, the
/// other words take numbers.
static Use maskUse(sel::MaskAttrInterface mask, ValueRange operands,
                   mlir::Value value) {
  Use use = Use::MaskNumber;
  if (mask)
    Attribute(mask).walk([&](sel::DocumentsAttr documents) {
      auto ids = dyn_cast<sel::ArgAttr>(documents.getTables());
      if (ids && operands[ids.getIndex()] == value)
        use = Use::Documents;
    });
  if (mask)
    Attribute(mask).walk([&](sel::TreeAttr tree) {
      auto parents = dyn_cast_if_present<sel::ArgAttr>(tree.getParents());
      if (parents && operands[parents.getIndex()] == value)
        use = Use::Parents;
    });
  if (headsOf(mask, operands, value))
    use = Use::HeadClass;
  for (auto [i, operand] : llvm::enumerate(operands))
    if (mask && operand == value && sel::isBoundaries(mask, i))
      use = Use::Boundaries;
  return use;
}

static Use scoreUse(ArrayAttr score, ValueRange operands, mlir::Value value) {
  for (Attribute word : score) {
    auto is = [&](Attribute amount) {
      auto number = dyn_cast<sel::ArgAttr>(amount);
      return number && operands[number.getIndex()] == value;
    };
    if (auto alibi = dyn_cast<attn::AlibiAttr>(word))
      if (is(alibi.getAmount()))
        return Use::Slopes;
    if (auto bias = dyn_cast<attn::BiasAttr>(word))
      if (is(bias.getAmount()))
        return Use::Bias;
  }
  return Use::ScoreNumber;
}

static Use useIn(attn::AttentionOpInterface op, mlir::Value value) {
  if (op.getQuery() == value)
    return Use::Query;
  if (op.getRope() == value)
    return Use::Rope;
  if (contains(op.getSource(), value))
    return op.getSource()[0] == value ? Use::Key : Use::Value;
  if (op.getOffset() == value)
    return Use::Offset;
  if (op.getLengths() == value)
    return Use::Lengths;
  if (op.getSinkLogits() == value)
    return Use::SinkLogits;
  if (contains(op.getMaskOperands(), value))
    return maskUse(op.getMaskAttr(), op.getMaskOperands(), value);
  if (contains(op.getScoreOperands(), value))
    return scoreUse(op.getScoreAttr(), op.getScoreOperands(), value);
  return Use::Table;
}

static Use useIn(sel::ScoreOp op, mlir::Value value) {
  if (op.getQuery() == value)
    return Use::Query;
  if (op.getKey() == value)
    return Use::Key;
  if (op.getOffset() == value)
    return Use::Offset;
  if (op.getLengths() == value)
    return Use::Lengths;
  return maskUse(op.getMaskAttr(), op.getMaskOperands(), value);
}

/// The first use of an argument that says what it is for.
static Use useOf(mlir::Value value) {
  if (isa<kv::CacheType>(value.getType()))
    return Use::Cache;
  for (Operation *user : value.getUsers()) {
    Use use = Use::Table;
    if (auto op = dyn_cast<attn::AttentionOpInterface>(user))
      use = useIn(op, value);
    else if (auto op = dyn_cast<sel::ScoreOp>(user))
      use = useIn(op, value);
    else if (isa<sel::AncestorOp>(user))
      use = Use::Parents;
    else if (isa<sel::SegmentOp>(user))
      use = Use::Boundaries;
    else if (auto op = dyn_cast<sel::PoolOp>(user))
      use = op.getKey() == value ? Use::Key : Use::Value;
    else if (auto op = dyn_cast<sel::ChooseOp>(user))
      use = op.isTopK() ? Use::TopK : Use::TopP;
    else if (isa<sel::LevelsOp>(user))
      use = Use::LevelMap;
    else if (isa<kv::EncodeOp>(user))
      use = Use::Key;
    else if (auto op = dyn_cast<kv::AppendOp>(user))
      use = op.getKey() == value ? Use::Key : Use::Value;
    if (use != Use::Table)
      return use;
  }
  return Use::Table;
}

/// The names of the extents where attn.dims does not give them.
static StringRef defaultDims(Use use, int64_t rank) {
  switch (use) {
  case Use::Query:
    return "b h sq d";
  case Use::Key:
  case Use::Value:
    return "b h sk d";
  case Use::Offset:
  case Use::Lengths:
    return "b";
  case Use::LevelMap:
    return "b h qblocks units";
  case Use::Documents:
  case Use::Parents:
    return rank == 2 ? "b sk" : "sk";
  case Use::Bias:
    return "b h sq sk";
  default:
    return "h";
  }
}

/// Fills in the blocks of a level map and the levels that it may hold.
static void describeMap(SpecArgument &argument, mlir::Value value) {
  for (Operation *user : value.getUsers()) {
    auto levels = dyn_cast<sel::LevelsOp>(user);
    if (!levels)
      continue;
    argument.queryBlock = levels.getOutput().getType().getQueryBlock();
    argument.unit = levels.getOutput().getType().getUnit();
    for (Operation *attention : levels.getOutput().getUsers())
      if (auto op = dyn_cast<attn::AttentionOpInterface>(attention))
        if (kv::PyramidType pyramid = op.getPyramid())
          argument.levels.assign(pyramid.getLevels().begin(),
                                 pyramid.getLevels().end());
  }
}

/// The number of masks that the classes of heads choose from.
static int64_t countMasks(mlir::Value value) {
  for (Operation *user : value.getUsers()) {
    sel::HeadsAttr heads;
    if (auto op = dyn_cast<attn::AttentionOpInterface>(user))
      heads = headsOf(op.getMaskAttr(), op.getMaskOperands(), value);
    else if (auto op = dyn_cast<sel::ScoreOp>(user))
      heads = headsOf(op.getMaskAttr(), op.getMaskOperands(), value);
    if (heads)
      return int64_t(heads.getMasks().size());
  }
  return 1;
}

std::vector<SpecArgument> fovea::argumentsOf(func::FuncOp kernel) {
  std::vector<SpecArgument> arguments;
  for (BlockArgument value : kernel.getArguments()) {
    unsigned number = value.getArgNumber();
    SpecArgument argument;
    argument.type = value.getType();
    argument.use = useOf(value);
    auto name = kernel.getArgAttrOfType<StringAttr>(number, "attn.name");
    argument.name = name ? name.str() : "arg" + std::to_string(number);
    if (auto type = dyn_cast<RankedTensorType>(value.getType())) {
      auto given = kernel.getArgAttrOfType<StringAttr>(number, "attn.dims");
      SmallVector<StringRef> names;
      llvm::SplitString(given ? given.getValue()
                              : defaultDims(argument.use, type.getRank()),
                        names);
      for (int64_t axis = 0; axis < type.getRank(); ++axis)
        argument.dims.push_back(type.isDynamicDim(axis) &&
                                        axis < int64_t(names.size())
                                    ? names[axis].str()
                                    : "");
    }
    if (argument.use == Use::LevelMap)
      describeMap(argument, value);
    if (argument.use == Use::HeadClass)
      argument.masks = countMasks(value);
    arguments.push_back(std::move(argument));
  }
  return arguments;
}

/// The extents of a tensor argument in a call.
static llvm::Expected<std::vector<int64_t>>
shapeOf(const SpecArgument &argument, const Dims &dims) {
  auto type = cast<RankedTensorType>(argument.type);
  std::vector<int64_t> shape = type.getShape().vec();
  for (int64_t axis = 0; axis < type.getRank(); ++axis) {
    if (!type.isDynamicDim(axis))
      continue;
    StringRef name = argument.dims[axis];
    // The blocks of a level map follow from the queries and the keys.
    bool blocks = argument.use == Use::LevelMap && axis >= 2;
    auto it = dims.find(!blocks ? name.str() : axis == 2 ? "sq" : "sk");
    if (it == dims.end())
      return llvm::createStringError("expected a value for dim '" + name +
                                     "' of argument '" + argument.name + "'");
    shape[axis] = it->second;
    if (blocks)
      shape[axis] = reference::ceilDiv(
          it->second, axis == 2 ? argument.queryBlock : argument.unit);
  }
  return shape;
}

static int64_t dimOr(const Dims &dims, StringRef name, int64_t otherwise) {
  auto it = dims.find(name.str());
  return it == dims.end() ? otherwise : it->second;
}

/// One random number for element `i` of `n` of an argument.
static double randomElement(const SpecArgument &argument, const Dims &dims,
                            Random &random, int64_t i, int64_t n) {
  int64_t sq = dimOr(dims, "sq", 1), sk = dimOr(dims, "sk", 1);
  switch (argument.use) {
  case Use::Offset: // of a call within the sequence, if that is possible
    return double(sk > sq ? random.integer(0, sk - sq) : sk - sq);
  case Use::Lengths:
    return double(random.integer(std::min<int64_t>(1, sk), sk));
  case Use::LevelMap: {
    int64_t pick = random.integer(0, int64_t(argument.levels.size()));
    return pick == 0 ? 0 : double(argument.levels[pick - 1]);
  }
  case Use::MaskNumber:
    return double(random.integer(1, std::max<int64_t>(1, sk)));
  case Use::HeadClass:
    return double(random.integer(0, argument.masks - 1));
  case Use::Slopes: // of the paper: powers of 2^(-8 / heads)
    return std::ldexp(1, int(-8 * (i + 1) / std::max<int64_t>(n, 1)));
  case Use::ScoreNumber:
    return 0.5 + random.uniform();
  case Use::SinkLogits: // about as heavy as some keys together
    return 4 * random.uniform() - 1;
  case Use::TopK:
    return double(random.integer(1, 8));
  case Use::TopP:
    return 0.5 + 0.45 * random.uniform();
  case Use::Rope: { // (cos, sin) of [position, pair]
    int64_t pairs = cast<RankedTensorType>(argument.type).getDimSize(1);
    double angle = double(i / 2 / pairs) *
                   std::pow(1e4, -double(i / 2 % pairs) / double(pairs));
    return i % 2 ? std::sin(angle) : std::cos(angle);
  }
  case Use::Cache:
  case Use::Boundaries:
  case Use::Documents:
  case Use::Parents:
  case Use::Query:
  case Use::Key:
  case Use::Value:
  case Use::Bias:
  case Use::Table:
    break;
  }
  Type element = getElementTypeOrSelf(argument.type);
  if (element.isInteger(1))
    return double(random.integer(0, 1));
  if (element.isIntOrIndex())
    return double(random.integer(0, 3));
  return random.normal();
}

/// Ascending ids that change now and then, from 0 in every row.
static void fillDocuments(HostTensor &tensor, Random &random) {
  int64_t tokens = tensor.shape.back(), id = 0;
  for (int64_t i = 0; i < tensor.size(); ++i) {
    id = i % tokens == 0 ? 0 : id + (random.uniform() * double(tokens) < 4);
    tensor.set(i, double(id));
  }
}

/// From 0 to the number of keys in every row.
static void fillBoundaries(HostTensor &tensor, int64_t sk, Random &random) {
  int64_t n = tensor.shape.back();
  std::vector<int64_t> row(size_t(n), 0);
  for (int64_t i = 0; i < tensor.size(); ++i) {
    if (i % n == 0) {
      for (int64_t &boundary : row)
        boundary = random.integer(0, sk);
      std::sort(row.begin(), row.end());
      row.back() = sk;
      row.front() = 0;
    }
    tensor.set(i, double(row[size_t(i % n)]));
  }
}

/// Chains with branches, and now and then an entry that is no parent.
static void fillParents(HostTensor &tensor, Random &random) {
  int64_t tokens = tensor.shape.back();
  for (int64_t i = 0; i < tensor.size(); ++i) {
    int64_t k = i % tokens, pick = random.integer(0, 9);
    int64_t parent = pick < 6   ? k - 1
                     : pick < 8 ? random.integer(-1, k - 1)
                     : pick < 9 ? -1
                                : random.integer(-tokens, 2 * tokens);
    tensor.set(i, double(parent));
  }
}

/// Random codes: encoded normal numbers.
static void addEncoded(const SpecArgument &argument, std::vector<int64_t> shape,
                       Random &random, std::vector<HostValue> &values) {
  reference::Tensor plain(shape);
  for (double &x : plain.data)
    x = static_cast<float>(random.normal());
  reference::Encoded encoded = reference::encodeInt8(plain);
  for (bool scale : {false, true}) {
    HostValue value;
    value.name = argument.name + (scale ? ".scale" : ".codes");
    const reference::Tensor &part = scale ? encoded.scales : encoded.codes;
    value.tensor =
        HostTensor(scale ? FOVEA_DTYPE_F32 : FOVEA_DTYPE_I8, part.shape);
    for (int64_t i = 0; i < part.size(); ++i)
      value.tensor.set(i, part.data[i]);
    values.push_back(std::move(value));
  }
}

llvm::Expected<std::vector<HostValue>>
fovea::randomArguments(func::FuncOp kernel, const Dims &dims, uint64_t seed) {
  std::vector<HostValue> values;
  for (const SpecArgument &argument : argumentsOf(kernel)) {
    // A stream per argument outside: one more argument changes no other.
    Random random(seed * 0x9e3779b97f4a7c15u + values.size());
    HostValue value;
    value.name = argument.name;
    if (argument.use == Use::Cache) {
      value.isCache = true;
      values.push_back(std::move(value));
      continue;
    }
    auto type = dyn_cast<RankedTensorType>(argument.type);
    if (!type) {
      value.isScalar = true;
      double x = randomElement(argument, dims, random, 0, 1);
      if (isa<FloatType>(argument.type))
        value.f = static_cast<float>(x);
      else
        value.i = static_cast<int64_t>(x);
      values.push_back(std::move(value));
      continue;
    }
    llvm::Expected<std::vector<int64_t>> shape = shapeOf(argument, dims);
    if (!shape)
      return shape.takeError();
    if (type.getEncoding()) {
      addEncoded(argument, *shape, random, values);
      continue;
    }
    value.tensor = HostTensor(dtypeOf(type.getElementType()), *shape);
    int64_t n = value.tensor.size();
    if (argument.use == Use::Documents)
      fillDocuments(value.tensor, random);
    else if (argument.use == Use::Parents)
      fillParents(value.tensor, random);
    else if (argument.use == Use::Boundaries)
      fillBoundaries(value.tensor, dimOr(dims, "sk", 1), random);
    else
      for (int64_t i = 0; i < n; ++i)
        value.tensor.set(i, randomElement(argument, dims, random, i, n));
    values.push_back(std::move(value));
  }
  return values;
}

bool fovea::hasTokenMajorRows(func::FuncOp kernel) {
  bool found = false;
  kernel.walk([&](attn::AttentionOpInterface op) {
    found |= op.getCache() &&
             cast<RankedTensorType>(op.getQuery().getType()).getRank() == 3;
  });
  return found;
}

/// A cache with the tokens of `value`, committed.
static llvm::Expected<reference::Cache> cacheOf(kv::CacheType type,
                                                const HostValue &value) {
  reference::Cache cache(type);
  for (size_t i = 0; i < value.tokens.size(); ++i) {
    uint64_t id = uint64_t(i) + 1;
    int64_t n = value.tokens[i];
    if (llvm::Error error = cache.create(id))
      return std::move(error);
    // [b, heads, tokens, dim] to [rows, heads, dim].
    auto rowsOf = [&](const HostTensor &from) {
      int64_t heads = from.shape[1], tokens = from.shape[2],
              dim = from.shape[3];
      reference::Tensor rows({n, heads, dim});
      for (int64_t t = 0; t < n; ++t)
        for (int64_t h = 0; h < heads; ++h)
          for (int64_t d = 0; d < dim; ++d)
            rows(t, h, d) =
                from.get(((int64_t(i) * heads + h) * tokens + t) * dim + d);
      return rows;
    };
    reference::Batch batch{{id}, {0, n}, {}, {}};
    if (llvm::Error error = cache.append(batch, rowsOf(value.tensor),
                                         rowsOf(value.cachedValues)))
      return std::move(error);
    if (llvm::Error error = cache.commit(id))
      return std::move(error);
  }
  return cache;
}

llvm::Expected<std::vector<reference::Value>>
fovea::toReference(func::FuncOp kernel, ArrayRef<HostValue> values) {
  std::vector<reference::Value> result;
  for (Type type : kernel.getArgumentTypes()) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    bool encoded = tensor && tensor.getEncoding();
    size_t parts = encoded ? 2 : 1;
    if (values.size() < parts)
      return llvm::createStringError("expected a value for every argument");
    if (auto cache = dyn_cast<kv::CacheType>(type)) {
      llvm::Expected<reference::Cache> made = cacheOf(cache, values[0]);
      if (!made)
        return made.takeError();
      result.push_back(std::move(*made));
    } else if (!tensor)
      result.push_back(reference::Scalar{values[0].i, values[0].f});
    else if (encoded)
      result.push_back(reference::Encoded{toTensor(values[0].tensor),
                                          toTensor(values[1].tensor)});
    else
      result.push_back(toTensor(values[0].tensor));
    values = values.drop_front(parts);
  }
  return result;
}

/// The argument whose rows a result has: the extents of a result are static or
/// those of an argument.
static std::vector<int64_t> resultShape(RankedTensorType type, const Dims &dims,
                                        bool tokenMajor) {
  std::vector<int64_t> shape = type.getShape().vec();
  // [b, h, sq, d] and [b, h, sq], or [rows, h, d] and [rows, h]; what is
  // encoded has the keys' length.
  std::vector<const char *> names = {"b", "h", type.getEncoding() ? "sk" : "sq",
                                     "d"};
  if (tokenMajor)
    names = {"rows", "h", "d", "d"};
  for (size_t axis = 0; axis < shape.size() && axis < 4; ++axis)
    if (ShapedType::isDynamic(shape[axis]))
      shape[axis] = dimOr(dims, names[axis], -1);
  return shape;
}

llvm::Expected<std::vector<HostTensor>> fovea::resultsFor(func::FuncOp kernel,
                                                          const Dims &dims) {
  std::vector<HostTensor> results;
  for (Type result : kernel.getResultTypes()) {
    if (isa<kv::CacheType>(result)) // its argument
      continue;
    auto type = dyn_cast<RankedTensorType>(result);
    if (!type)
      return llvm::createStringError("expected results to be tensors");
    std::vector<int64_t> shape =
        resultShape(type, dims, hasTokenMajorRows(kernel));
    if (llvm::is_contained(shape, -1))
      return llvm::createStringError("expected the extents of a result to be "
                                     "static or b, h, sq, d");
    if (!type.getEncoding()) {
      results.emplace_back(dtypeOf(type.getElementType()), shape);
      continue;
    }
    results.emplace_back(FOVEA_DTYPE_I8, shape);
    shape.pop_back();
    results.emplace_back(FOVEA_DTYPE_F32, shape);
  }
  return results;
}
