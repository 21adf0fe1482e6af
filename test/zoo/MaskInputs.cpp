// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads inputs.json and carries out its rules; see the header.
#include "test/zoo/MaskInputs.h"

#include "tools/fovea/Random.h"

#include "llvm/Support/MemoryBuffer.h"

#include <algorithm>

using namespace fovea;
using namespace fovea::zoo;

using Entries = std::vector<int64_t>;

static llvm::Error fail(const llvm::Twine &text) {
  return llvm::createStringError("inputs.json: " + text);
}

llvm::Expected<MaskInputs> MaskInputs::parse(llvm::StringRef text) {
  llvm::Expected<llvm::json::Value> value = llvm::json::parse(text);
  if (!value)
    return value.takeError();
  if (!value->getAsObject())
    return fail("expected an object of kernels");
  MaskInputs inputs;
  inputs.rules = std::move(*value->getAsObject());
  return inputs;
}

llvm::Expected<MaskInputs> MaskInputs::read(const std::string &path) {
  auto file = llvm::MemoryBuffer::getFile(path);
  if (!file)
    return MaskInputs();
  return parse((*file)->getBuffer());
}

/// Terms of integers, dims and `dim/n` rounded up, joined by + and -.
static llvm::Expected<int64_t> number(const llvm::json::Value &value,
                                      const Dims &dims) {
  if (auto literal = value.getAsInteger())
    return *literal;
  auto text = value.getAsString();
  if (!text)
    return fail("expected a number or an expression");
  int64_t total = 0;
  for (llvm::StringRef rest = *text; !rest.empty();) {
    bool minus = rest.consume_front("-");
    if (!minus)
      rest.consume_front("+");
    llvm::StringRef term = rest.take_front(rest.find_first_of("+-"));
    rest = rest.drop_front(term.size());
    auto [name, divisor] = term.split('/');
    int64_t n, by = 1;
    if (name.getAsInteger(10, n)) {
      auto it = dims.find(name.str());
      if (it == dims.end())
        return fail("expected a number or a dim of the call, got '" + name +
                    "'");
      n = it->second;
    }
    if (!divisor.empty() && (divisor.getAsInteger(10, by) || by < 1))
      return fail("expected a positive divisor, got '" + divisor + "'");
    n = (n + by - 1) / by;
    total += minus ? -n : n;
  }
  return total;
}

namespace {

/// Carries out one rule, row by row.
class Filler {
public:
  Filler(const llvm::json::Object &rule, const Dims &dims, uint64_t seed)
      : rule(rule), dims(dims), random(seed) {}

  /// Appends a row of `n` numbers to `out`.
  llvm::Error row(Entries &out, int64_t n);

private:
  struct Document {
    int64_t start, end;
  };
  std::vector<Document> documentsOf(int64_t n);
  /// A number of the rule.
  int64_t get(llvm::StringRef key);
  void uniform(Entries &row, int64_t n, int64_t lo, int64_t hi) {
    for (int64_t i = 0; i < n; ++i)
      row.push_back(random.integer(lo, std::max(lo, hi)));
  }
  void documents(Entries &row, int64_t n);
  void growing(Entries &row, int64_t n);
  void byModality(Entries &row, int64_t n);
  void ring(Entries &row, int64_t n);
  void columns(Entries &row, int64_t n, int64_t done);

  const llvm::json::Object &rule;
  const Dims &dims;
  Random random;
  std::string problem;
};

} // namespace

int64_t Filler::get(llvm::StringRef key) {
  const llvm::json::Value *value = rule.get(key);
  if (!value) {
    problem = "inputs.json: expected '" + key.str() + "'";
    return 0;
  }
  llvm::Expected<int64_t> n = number(*value, dims);
  if (n)
    return *n;
  problem = llvm::toString(n.takeError());
  return 0;
}

void Filler::documents(Entries &row, int64_t n) {
  std::vector<char> starts(size_t(n), 0);
  for (int64_t i = get("documents"); i > 1 && n; --i)
    starts[size_t(random.integer(0, n - 1))] = 1;
  for (int64_t i = 0, id = 0; i < n; ++i) {
    id += i > 0 && starts[size_t(i)];
    row.push_back(id);
  }
}

/// Documents of the rule's sizes that cover n tokens.
std::vector<Filler::Document> Filler::documentsOf(int64_t n) {
  std::vector<Document> documents;
  int64_t size = std::max<int64_t>(1, get("size")), grow = get("grow");
  for (int64_t at = 0; at < n; size = std::max<int64_t>(1, size + grow)) {
    documents.push_back({at, std::min(n, at + size)});
    at = documents.back().end;
  }
  return documents;
}

void Filler::columns(Entries &row, int64_t n, int64_t done) {
  int64_t keys = dims.at("sk"), key = done / n % keys;
  if (rule.get("free") && key < get("free")) {
    row.assign(size_t(n), keys);
    return;
  }
  Dims known = dims;
  known["k"] = key;
  for (Document document : documentsOf(keys))
    if (document.start <= key && key < document.end) {
      known["start"] = document.start;
      known["end"] = document.end;
    }
  const llvm::json::Array *rows = rule.getArray("rows");
  for (int64_t i = 0; rows && i < n && i < int64_t(rows->size()); ++i) {
    llvm::Expected<int64_t> value = number((*rows)[size_t(i)], known);
    if (value)
      row.push_back(*value);
    else
      problem = llvm::toString(value.takeError());
  }
}

void Filler::growing(Entries &row, int64_t n) {
  std::vector<Document> documents = documentsOf(n);
  llvm::StringRef of = rule.getString("of").value_or("");
  int64_t plus = rule.get("plus") ? get("plus") : 0;
  int64_t every = rule.get("every") ? std::max<int64_t>(1, get("every")) : 1;
  for (size_t i = 0; i < documents.size(); ++i) {
    int64_t back = int64_t(i) % every;
    Document shared{0, 0};
    if (back)
      shared = documents[i - size_t(back)];
    int64_t what = 0;
    if (of == "id")
      what = int64_t(i);
    else if (of == "start")
      what = documents[i].start + plus;
    else if (of == "end")
      what = documents[i].end;
    else if (of == "shared_start")
      what = shared.start;
    else if (of == "shared_end")
      what = shared.end;
    else
      problem = "inputs.json: expected 'of' to be id, start, end, "
                "shared_start or shared_end, got '" +
                of.str() + "'";
    for (int64_t t = documents[i].start; t < documents[i].end; ++t)
      row.push_back(what);
  }
}

void Filler::byModality(Entries &row, int64_t n) {
  bool position = rule.getString("of").value_or("") == "position";
  std::vector<Document> all = documentsOf(n);
  for (size_t modality : {0, 1})
    for (size_t i = modality; i < all.size(); i += 2)
      for (int64_t t = all[i].start; t < all[i].end; ++t)
        row.push_back(position ? t : int64_t(modality));
}

void Filler::ring(Entries &row, int64_t n) {
  int64_t first = std::min(get("first"), n), dropped = get("dropped");
  for (int64_t i = 0; i < n; ++i)
    row.push_back(i);
  for (int64_t token = first + dropped; first < n && token < n + dropped;
       ++token)
    row[size_t(first + (token - first) % (n - first))] = token;
}

llvm::Error Filler::row(Entries &out, int64_t n) {
  llvm::StringRef kind = rule.getString("kind").value_or("");
  Entries row;
  if (kind == "list") {
    const llvm::json::Array *values = rule.getArray("values");
    for (int64_t i = 0; values && !values->empty() && i < n; ++i) {
      auto value =
          number((*values)[(out.size() + size_t(i)) % values->size()], dims);
      if (!value)
        return value.takeError();
      row.push_back(*value);
    }
  } else if (kind == "uniform") {
    uniform(row, n, get("lo"), get("hi"));
  } else if (kind == "sorted") {
    uniform(row, n, get("lo"), get("hi"));
    std::sort(row.begin(), row.end());
  } else if (kind == "flags") {
    uniform(row, n, 0, get("one_in") - 1);
    for (int64_t &x : row)
      x = x == 0;
  } else if (kind == "documents") {
    documents(row, n);
  } else if (kind == "growing") {
    growing(row, n);
  } else if (kind == "columns") {
    columns(row, n, int64_t(out.size()));
  } else if (kind == "cu_seqlens") {
    uniform(row, n, 0, get("total"));
    std::sort(row.begin(), row.end());
    if (n > 1)
      row.back() = get("total");
    if (n)
      row.front() = 0;
  } else if (kind == "parents") {
    for (int64_t i = 0; i < n; ++i)
      row.push_back(i ? random.integer(-1, i - 1) : -1);
  } else if (kind == "permutation") {
    for (int64_t i = 0; i < n; ++i)
      row.push_back(i);
    for (int64_t i = n; i-- > 1;)
      std::swap(row[size_t(i)], row[size_t(random.integer(0, i))]);
  } else if (kind == "by_residue") {
    int64_t step = std::max<int64_t>(1, get("step"));
    for (int64_t r = 0; r < step; ++r)
      for (int64_t i = r; i < n; i += step)
        row.push_back(i);
  } else if (kind == "by_modality") {
    byModality(row, n);
  } else if (kind == "ring") {
    ring(row, n);
  } else {
    return fail("expected a rule of examples/masks/README.md, got '" + kind +
                "'");
  }
  if (!problem.empty())
    return llvm::createStringError(problem);
  if (int64_t(row.size()) != n)
    return fail("expected '" + kind + "' to give " + llvm::Twine(n) +
                " numbers, got " + llvm::Twine(row.size()));
  out.insert(out.end(), row.begin(), row.end());
  return llvm::Error::success();
}

static llvm::Expected<std::vector<int64_t>>
shapeOf(const llvm::json::Array &extents, const Dims &dims) {
  std::vector<int64_t> shape;
  for (const llvm::json::Value &extent : extents) {
    llvm::Expected<int64_t> n = number(extent, dims);
    if (!n)
      return n.takeError();
    shape.push_back(*n);
  }
  return shape;
}

llvm::Expected<Dims> MaskInputs::dims(mlir::func::FuncOp kernel,
                                      const Dims &call) const {
  Dims all = call;
  const llvm::json::Object *of = rules.getObject(kernel.getSymName());
  for (const SpecArgument &argument : argumentsOf(kernel)) {
    const llvm::json::Object *rule =
        of ? of->getObject(argument.name) : nullptr;
    const llvm::json::Array *extents = rule ? rule->getArray("shape") : nullptr;
    if (!extents)
      continue;
    llvm::Expected<std::vector<int64_t>> shape = shapeOf(*extents, call);
    if (!shape)
      return shape.takeError();
    if (shape->size() != argument.dims.size())
      return fail("expected a shape of rank " +
                  llvm::Twine(argument.dims.size()) + " for '" + argument.name +
                  "'");
    for (size_t axis = 0; axis < shape->size(); ++axis)
      if (!argument.dims[axis].empty())
        all.try_emplace(argument.dims[axis], (*shape)[axis]);
  }
  return all;
}

llvm::Error MaskInputs::fill(llvm::StringRef name,
                             std::vector<HostValue> &arguments,
                             const Dims &dims, uint64_t seed) const {
  const llvm::json::Object *of = rules.getObject(name);
  if (!of)
    return llvm::Error::success();
  for (auto &[key, value] : *of) {
    llvm::StringRef wanted = key;
    const llvm::json::Object *rule = value.getAsObject();
    auto argument = std::find_if(
        arguments.begin(), arguments.end(),
        [&](const HostValue &given) { return wanted == given.name; });
    if (!rule || argument == arguments.end())
      return fail("expected '" + name + "' to have an argument '" + wanted +
                  "' with a rule");
    Filler filler(*rule, dims,
                  seed + uint64_t(argument - arguments.begin()) * 0x9e3779b9u);
    Entries numbers;
    if (argument->isScalar) {
      if (llvm::Error error = filler.row(numbers, 1))
        return error;
      argument->i = numbers[0];
      continue;
    }
    HostTensor &tensor = argument->tensor;
    int64_t n = tensor.shape.empty() ? 1 : tensor.shape.back();
    while (n && int64_t(numbers.size()) < tensor.size())
      if (llvm::Error error = filler.row(numbers, n))
        return error;
    for (size_t i = 0; i < numbers.size(); ++i)
      tensor.set(int64_t(i), double(numbers[i]));
  }
  return llvm::Error::success();
}
