// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Modifier graphs of FlexAttention work on the whole score tensor and take
// positions from its shape; a region works on one element and is given its
// indices. The translation goes node by node.
#include "test/conformance/OnnxCase.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace fovea::conformance;
namespace json = llvm::json;

namespace {

/// What a name of the graph is, seen from one element.
struct Entity {
  enum Kind { Float, Bool, Index, Shape, Extent, Range, Numbers } kind = Float;
  std::string ssa;              ///< Float, Bool, Index
  int64_t axis = 0;             ///< Extent, Range
  std::vector<int64_t> numbers; ///< Numbers: an integer constant
};

class Translator {
public:
  llvm::Expected<std::string> translate(const json::Object &graph);

private:
  llvm::Error constant(llvm::StringRef name, const json::Object &value);
  llvm::Error node(const json::Object &node);
  std::string emit(const std::string &code) {
    std::string name = "%x" + std::to_string(count++);
    os << "      " << name << " = " << code << "\n";
    return name;
  }

  std::string text;
  llvm::raw_string_ostream os{text};
  std::map<std::string, Entity> names;
  int count = 0;
};

} // namespace

llvm::Error Translator::constant(llvm::StringRef name,
                                 const json::Object &value) {
  const json::Value *data = value.get("data");
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
  } else if (list->size() != 1) {
    return llvm::createStringError("a constant tensor in a modifier graph");
  } else {
    std::string number = "0xFF800000"; // "-inf" is a string
    if (std::optional<double> x = (*list)[0].getAsNumber()) {
      number.clear();
      llvm::raw_string_ostream(number) << llvm::format("%.9e", *x);
    }
    entity.ssa = emit("arith.constant " + number + " : f32");
  }
  names[name.str()] = entity;
  return llvm::Error::success();
}

llvm::Error Translator::node(const json::Object &node) {
  std::string op = node.getString("op").value_or("").str();
  std::vector<Entity> in;
  for (const json::Value &name : *node.getArray("inputs"))
    in.push_back(names[name.getAsString().value_or("").str()]);
  Entity out;
  auto binary = [&](const char *code) {
    out.ssa =
        emit(std::string(code) + " " + in[0].ssa + ", " + in[1].ssa + " : f32");
  };
  if (op == "Add")
    binary("arith.addf");
  else if (op == "Sub")
    binary("arith.subf");
  else if (op == "Mul")
    binary("arith.mulf");
  else if (op == "Div")
    binary("arith.divf");
  else if (op == "Tanh")
    out.ssa = emit("math.tanh " + in[0].ssa + " : f32");
  else if (op == "Cast" && in[0].kind == Entity::Float)
    out = in[0];
  else if (op == "Where")
    out.ssa = emit("arith.select " + in[0].ssa + ", " + in[1].ssa + ", " +
                   in[2].ssa + " : f32");
  else if (op == "GreaterOrEqual" && in[0].kind == Entity::Index &&
           in[1].kind == Entity::Index) {
    out.kind = Entity::Bool;
    out.ssa =
        emit("arith.cmpi sge, " + in[0].ssa + ", " + in[1].ssa + " : index");
  } else if (op == "Shape") {
    out.kind = Entity::Shape;
  } else if (op == "Gather" && in[0].kind == Entity::Shape &&
             in[1].numbers.size() == 1) {
    out.kind = Entity::Extent;
    out.axis = in[1].numbers[0];
  } else if (op == "Range" && in[1].kind == Entity::Extent) {
    out.kind = Entity::Range; // from 0 by 1, over a whole axis
    out.axis = in[1].axis;
  } else if (op == "Reshape" && in[0].kind == Entity::Range &&
             in[1].numbers.size() == 4) {
    // The axis that stays is the one along which the range lies.
    auto it = std::find(in[1].numbers.begin(), in[1].numbers.end(), -1);
    const char *indices[] = {"%b", "%h", "%i", "%j"};
    out.kind = Entity::Index;
    out.ssa = indices[it - in[1].numbers.begin()];
  } else {
    return llvm::createStringError("operator " + llvm::Twine(op) +
                                   " in a modifier graph");
  }
  names[node.getArray("outputs")->front().getAsString().value_or("").str()] =
      out;
  return llvm::Error::success();
}

llvm::Expected<std::string> Translator::translate(const json::Object &graph) {
  os << "{ ^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):\n";
  const json::Object *input = graph.getArray("inputs")->front().getAsObject();
  Entity element;
  element.ssa = "%s";
  names[input->getString("name").value_or("").str()] = element;
  if (const json::Object *constants = graph.getObject("constants"))
    for (const auto &[name, value] : *constants)
      if (llvm::Error error = constant(name, *value.getAsObject()))
        return error;
  for (const json::Value &value : *graph.getArray("nodes"))
    if (llvm::Error error = node(*value.getAsObject()))
      return error;
  const json::Object *output = graph.getArray("outputs")->front().getAsObject();
  os << "      attn.yield "
     << names[output->getString("name").value_or("").str()].ssa << " : f32 }";
  return os.str();
}

llvm::Expected<std::string>
fovea::conformance::modifierRegion(const json::Object &graph) {
  return Translator().translate(graph);
}
