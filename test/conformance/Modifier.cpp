// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Modifier graphs of FlexAttention work on the whole score tensor and take
// positions from its shape; a region works on one element and is given its
// indices. The translation goes node by node: what a graph computes from
// shapes alone is computed here, a range becomes the index of the axis along
// which it lies, a constant tensor a table.
#include "test/conformance/OnnxCase.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <cmath>

using namespace fovea;
using namespace fovea::conformance;
namespace json = llvm::json;

namespace {

/// What a name of the graph is, seen from one element.
struct Entity {
  enum Kind {
    Float,   ///< f32
    Bool,    ///< i1
    Int,     ///< index
    Scores,  ///< the graph's input: a Float of which a graph asks the shape
    Numbers, ///< integers that are known here
    Range    ///< start + i * step along one axis, not placed yet
  } kind = Float;
  std::string ssa = {}; ///< of the first four
  std::vector<int64_t> numbers = {};
  int64_t start = 0, step = 1, count = 0;
};

/// What an operator on elements is called for floats, integers and truth
/// values; null where it has no meaning.
struct Words {
  const char *real, *integer, *truth;
};

class Translator {
public:
  Translator(std::vector<int64_t> shape, std::string prefix,
             std::vector<ModifierTable> &tables)
      : shape(std::move(shape)), prefix(std::move(prefix)), tables(tables) {}
  llvm::Expected<std::string> translate(const json::Object &graph);

private:
  using Entities = std::vector<Entity>;

  llvm::Error constant(llvm::StringRef name, const json::Object &value);
  llvm::Expected<Entity> node(llvm::StringRef op, const json::Object &node,
                              Entities &in);
  llvm::Expected<Entity> onShapes(llvm::StringRef op, Entities &in);
  llvm::Expected<Entity> onElements(llvm::StringRef op, Entities &in);
  Entity cast(const Entity &from, llvm::StringRef to);
  Entity atAxis(const Entity &range, size_t axis);
  Entity element(const Entity &entity);
  Entity real(double x);
  Entity integer(int64_t n) {
    return {Entity::Int,
            emit("arith.constant " + std::to_string(n) + " : index")};
  }
  Entity make(Entity::Kind kind, const std::string &code) {
    return {kind, emit(code)};
  }
  std::string emit(const std::string &code) {
    std::string name = "%x" + std::to_string(count++);
    os << "      " << name << " = " << code << "\n";
    return name;
  }

  std::vector<int64_t> shape; ///< of the scores
  std::string prefix;
  std::vector<ModifierTable> &tables;
  std::string text;
  llvm::raw_string_ostream os{text};
  std::map<std::string, Entity> names;
  int count = 0;
};

} // namespace

static constexpr const char *kIndices[] = {"%b", "%h", "%i", "%j"};

static llvm::Error refuse(llvm::Twine what) {
  return llvm::createStringError(what + " in a modifier graph");
}

Entity Translator::real(double x) {
  std::string number;
  llvm::raw_string_ostream stream(number);
  if (std::isnan(x))
    stream << "0x7FC00000";
  else if (std::isinf(x))
    stream << (x < 0 ? "0xFF800000" : "0x7F800000");
  else
    stream << llvm::format("%.9e", x);
  return make(Entity::Float, "arith.constant " + number + " : f32");
}

/// Numbers are JSON's, or "inf", "-inf" and "nan".
static double numberOf(const json::Value &value) {
  if (std::optional<double> x = value.getAsNumber())
    return *x;
  double x = 0;
  llvm::StringRef(value.getAsString().value_or("nan")).getAsDouble(x);
  return x;
}

llvm::Error Translator::constant(llvm::StringRef name,
                                 const json::Object &value) {
  const json::Value *data = value.get("data");
  if (!data)
    return refuse("a constant without data");
  json::Array one;
  const json::Array *list = data->getAsArray();
  if (!list) {
    one.push_back(*data);
    list = &one;
  }
  Entity entity;
  llvm::StringRef dtype = value.getString("dtype").value_or("");
  if (dtype.starts_with("int")) {
    entity.kind = Entity::Numbers;
    for (const json::Value &number : *list)
      entity.numbers.push_back(number.getAsInteger().value_or(0));
  } else if (!dtype.starts_with("float")) {
    return refuse("a constant of type " + dtype);
  } else if (list->size() == 1) {
    entity = real(numberOf((*list)[0]));
  } else {
    ModifierTable table{prefix + std::to_string(tables.size()), {}, {}};
    std::string type, at;
    const json::Array *extents = value.getArray("shape");
    if (!extents || extents->size() > 4)
      return refuse("a constant of more than four dims");
    for (auto [i, extent] : llvm::enumerate(*extents)) {
      int64_t n = extent.getAsInteger().value_or(0);
      table.shape.push_back(n);
      type += std::to_string(n) + "x";
      at += i ? ", " : "";
      at += n == 1 ? integer(0).ssa : kIndices[4 - extents->size() + i];
    }
    for (const json::Value &number : *list)
      table.values.push_back(numberOf(number));
    entity = make(Entity::Float, "tensor.extract %" + table.name + "[" + at +
                                     "] : tensor<" + type + "f32>");
    tables.push_back(std::move(table));
  }
  names[name.str()] = entity;
  return llvm::Error::success();
}

Entity Translator::atAxis(const Entity &range, size_t axis) {
  Entity at{Entity::Int, kIndices[axis]};
  if (range.step != 1)
    at = make(Entity::Int, "arith.muli " + at.ssa + ", " +
                               integer(range.step).ssa + " : index");
  if (range.start != 0)
    at = make(Entity::Int, "arith.addi " + at.ssa + ", " +
                               integer(range.start).ssa + " : index");
  return at;
}

/// As one element: a range that nobody placed lies along the last axis.
Entity Translator::element(const Entity &entity) {
  if (entity.kind == Entity::Scores)
    return {Entity::Float, entity.ssa};
  if (entity.kind == Entity::Numbers && entity.numbers.size() == 1)
    return integer(entity.numbers[0]);
  if (entity.kind == Entity::Range)
    return entity.count == 1 ? integer(entity.start) : atAxis(entity, 3);
  return entity;
}

/// Operators that give shapes, their parts and ranges.
llvm::Expected<Entity> Translator::onShapes(llvm::StringRef op, Entities &in) {
  Entity out;
  out.kind = Entity::Numbers;
  if (op == "Shape") {
    if (in[0].kind != Entity::Scores)
      return refuse("the shape of something else than the scores");
    out.numbers = shape;
    return out;
  }
  if (op == "Reshape" && in[0].kind == Entity::Range &&
      in[1].kind == Entity::Numbers && in[1].numbers.size() <= 4) {
    // The axis that stays is the one along which the range lies.
    std::vector<int64_t> to = in[1].numbers;
    auto wide = [](int64_t n) { return n != 1; };
    if (llvm::count_if(to, wide) > 1)
      return refuse("a range along several axes");
    auto it = llvm::find_if(to, wide);
    if (in[0].count == 1 || it == to.end())
      return integer(in[0].start);
    return atAxis(in[0], 4 - to.size() + (it - to.begin()));
  }
  for (const Entity &entity : in)
    if (entity.kind != Entity::Numbers)
      return refuse("operator " + op + " of something computed");
  if (op == "Gather") {
    int64_t size = in[0].numbers.size();
    for (int64_t i : in[1].numbers) {
      i += i < 0 ? size : 0;
      if (i < 0 || i >= size)
        return refuse("an index outside of a shape");
      out.numbers.push_back(in[0].numbers[i]);
    }
    return out;
  }
  if (op == "Range") {
    for (const Entity &entity : in)
      if (entity.numbers.size() != 1)
        return refuse("a range between lists");
    out = {Entity::Range, "", {}, in[0].numbers[0], in[2].numbers[0]};
    if (out.step == 0)
      return refuse("a range that does not move");
    int64_t span = in[1].numbers[0] - out.start;
    out.count = std::max<int64_t>(
        0, span / out.step + (span % out.step != 0 && (span ^ out.step) >= 0));
    return out;
  }
  return in[0]; // Reshape of known numbers
}

Entity Translator::cast(const Entity &from, llvm::StringRef to) {
  auto choose = [&](const Entity &a, const Entity &b, const char *type) {
    return make(a.kind, "arith.select " + from.ssa + ", " + a.ssa + ", " +
                            b.ssa + " : " + type);
  };
  if (to == "bool") {
    if (from.kind == Entity::Float)
      return make(Entity::Bool, "arith.cmpf une, " + from.ssa + ", " +
                                    real(0).ssa + " : f32");
    if (from.kind == Entity::Int)
      return make(Entity::Bool, "arith.cmpi ne, " + from.ssa + ", " +
                                    integer(0).ssa + " : index");
    return from;
  }
  if (to.starts_with("int")) {
    if (from.kind == Entity::Bool)
      return choose(integer(1), integer(0), "index");
    if (from.kind == Entity::Int)
      return from;
    std::string n = emit("arith.fptosi " + from.ssa + " : f32 to i32");
    return make(Entity::Int, "arith.index_cast " + n + " : i32 to index");
  }
  // To floats: the type says how they are stored, all are computed in f32.
  if (from.kind == Entity::Bool)
    return choose(real(1), real(0), "f32");
  if (from.kind == Entity::Float)
    return from;
  std::string n = emit("arith.index_cast " + from.ssa + " : index to i32");
  return make(Entity::Float, "arith.sitofp " + n + " : i32 to f32");
}

/// Operators on elements, and on known numbers where that gives a shape.
llvm::Expected<Entity> Translator::onElements(llvm::StringRef op,
                                              Entities &in) {
  bool known = in.size() == 2 && llvm::all_of(in, [](const Entity &entity) {
                 return entity.kind == Entity::Numbers;
               });
  bool arithmetic = op == "Add" || op == "Sub" || op == "Mul" || op == "Div";
  if (known && arithmetic && in[0].numbers.size() == in[1].numbers.size()) {
    for (auto [a, b] : llvm::zip(in[0].numbers, in[1].numbers)) {
      if (op == "Div" && b == 0)
        return refuse("a division by 0");
      a = op == "Add"   ? a + b
          : op == "Sub" ? a - b
          : op == "Mul" ? a * b
                        : a / b;
    }
    return in[0];
  }
  for (Entity &entity : in) {
    entity = element(entity);
    if (entity.ssa.empty())
      return refuse("operator " + op + " on a list");
  }
  Words words = llvm::StringSwitch<Words>(op)
                    .Case("Add", {"addf", "addi", nullptr})
                    .Case("Sub", {"subf", "subi", nullptr})
                    .Case("Mul", {"mulf", "muli", nullptr})
                    .Case("Div", {"divf", "divsi", nullptr})
                    .Case("Min", {"minimumf", "minsi", nullptr})
                    .Case("Max", {"maximumf", "maxsi", nullptr})
                    .Case("And", {nullptr, nullptr, "andi"})
                    .Case("Or", {nullptr, nullptr, "ori"})
                    .Case("GreaterOrEqual", {"cmpf oge,", "cmpi sge,", nullptr})
                    .Case("Greater", {"cmpf ogt,", "cmpi sgt,", nullptr})
                    .Case("LessOrEqual", {"cmpf ole,", "cmpi sle,", nullptr})
                    .Case("Less", {"cmpf olt,", "cmpi slt,", nullptr})
                    .Case("Equal", {"cmpf oeq,", "cmpi eq,", "cmpi eq,"})
                    .Default({nullptr, nullptr, nullptr});
  static constexpr const char *types[] = {"f32", "i1", "index"};
  const Entity &first = in[0], &last = in.back();
  if (op == "Where") {
    if (first.kind != Entity::Bool || in[1].kind != last.kind)
      return refuse("operator Where of unlike types");
    return make(last.kind, "arith.select " + first.ssa + ", " + in[1].ssa +
                               ", " + last.ssa + " : " + types[last.kind]);
  }
  if (first.kind != last.kind)
    return refuse("operator " + op + " of unlike types");
  if (op == "Identity")
    return first;
  if (op == "Not" && first.kind == Entity::Bool)
    return make(Entity::Bool, "arith.xori " + first.ssa + ", " +
                                  emit("arith.constant true") + " : i1");
  if (op == "Neg" || op == "Abs") {
    Entity zero = first.kind == Entity::Int ? integer(0) : real(0);
    if (first.kind == Entity::Float)
      return make(first.kind, (op == "Neg" ? "arith.negf " : "math.absf ") +
                                  first.ssa + " : f32");
    Entity minus = make(first.kind, "arith.subi " + zero.ssa + ", " +
                                        first.ssa + " : index");
    return op == "Neg" ? minus
                       : make(first.kind, "arith.maxsi " + first.ssa + ", " +
                                              minus.ssa + " : index");
  }
  if ((op == "Tanh" || op == "Exp") && first.kind == Entity::Float)
    return make(first.kind, "math." + op.lower() + " " + first.ssa + " : f32");
  const char *word = first.kind == Entity::Float ? words.real
                     : first.kind == Entity::Int ? words.integer
                                                 : words.truth;
  if (!word || in.size() != 2)
    return refuse("operator " + op);
  bool compares = llvm::StringRef(word).starts_with("cmp");
  return make(compares ? Entity::Bool : first.kind,
              std::string("arith.") + word + " " + first.ssa + ", " + last.ssa +
                  " : " + types[first.kind]);
}

llvm::Expected<Entity>
Translator::node(llvm::StringRef op, const json::Object &node, Entities &in) {
  size_t wants = llvm::StringSwitch<size_t>(op)
                     .Cases("Range", "Where", 3)
                     .Cases("Shape", "Cast", "Tanh", "Exp", "Neg", "Abs", "Not",
                            "Identity", 1)
                     .Default(2);
  if (in.size() != wants)
    return refuse("operator " + op + " with " + llvm::Twine(in.size()) +
                  " inputs");
  if (op == "Shape" || op == "Gather" || op == "Range" || op == "Reshape")
    return onShapes(op, in);
  if (op != "Cast")
    return onElements(op, in);
  const json::Object *attributes = node.getObject("attributes");
  llvm::StringRef to =
      attributes ? attributes->getString("to").value_or("") : "";
  if (to.starts_with("int") &&
      (in[0].kind == Entity::Numbers || in[0].kind == Entity::Range))
    return in[0];
  Entity from = element(in[0]);
  if (from.ssa.empty() || !(to == "bool" || to.starts_with("int") ||
                            to.starts_with("float") || to == "bfloat16"))
    return refuse("a cast to " + to);
  return cast(from, to);
}

llvm::Expected<std::string> Translator::translate(const json::Object &graph) {
  os << "{ ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):\n";
  auto nameOf = [&](const char *list) -> std::string {
    const json::Array *entries = graph.getArray(list);
    const json::Object *first =
        entries && !entries->empty() ? entries->front().getAsObject() : nullptr;
    return first ? first->getString("name").value_or("").str() : "";
  };
  names[nameOf("inputs")] = {Entity::Scores, "%s"};
  if (const json::Object *constants = graph.getObject("constants"))
    for (const auto &[name, value] : *constants)
      if (llvm::Error error = constant(name, *value.getAsObject()))
        return error;
  const json::Array *nodes = graph.getArray("nodes");
  for (const json::Value &value : nodes ? *nodes : json::Array()) {
    const json::Object &object = *value.getAsObject();
    std::vector<Entity> in;
    for (const json::Value &name : *object.getArray("inputs")) {
      auto it = names.find(name.getAsString().value_or("").str());
      if (it == names.end())
        return refuse("an unknown name");
      in.push_back(it->second);
    }
    llvm::Expected<Entity> out =
        node(object.getString("op").value_or(""), object, in);
    if (!out)
      return out.takeError();
    const json::Array *outputs = object.getArray("outputs");
    names[outputs->front().getAsString().value_or("").str()] = *out;
  }
  auto it = names.find(nameOf("outputs"));
  if (it == names.end())
    return refuse("an unknown name");
  Entity result = element(it->second);
  if (result.kind != Entity::Float)
    return refuse("a result that is no float");
  os << "      attn.yield " << result.ssa << " : f32 }";
  return text;
}

llvm::Expected<std::string> fovea::conformance::modifierRegion(
    const json::Object &graph, const std::vector<int64_t> &shape,
    const std::string &prefix, std::vector<ModifierTable> &tables) {
  return Translator(shape, prefix, tables).translate(graph);
}
