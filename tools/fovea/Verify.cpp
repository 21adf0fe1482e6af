// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The comparison of a kernel's results with the reference.
#include "tools/fovea/Verify.h"

#include "codegen/target/Target.h"
#include "dialects/kv/KV.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>

using namespace mlir;
using namespace fovea;
using reference::Element;
using reference::Role;

namespace {

/// One tensor to compare.
struct Pair {
  unsigned result;
  const char *part;
  const reference::Tensor *want;
  const HostTensor *got;
  Element element;
  Role role;
};

} // namespace

/// Lines up what the kernel returned with what the reference did.
static llvm::Expected<std::vector<Pair>>
pairUp(func::FuncOp kernel, ArrayRef<reference::Value> wanted,
       ArrayRef<HostTensor> results) {
  std::vector<Pair> pairs;
  Operation *terminator = kernel.getBody().front().getTerminator();
  for (auto [i, want] : llvm::enumerate(wanted)) {
    mlir::Value name = terminator->getOperand(i);
    const auto *encoded = std::get_if<reference::Encoded>(&want);
    const auto *plain = std::get_if<reference::Tensor>(&want);
    if (std::holds_alternative<reference::Cache>(want))
      continue;
    size_t parts = encoded ? 2 : 1;
    if ((!encoded && !plain) || results.size() < parts)
      return llvm::createStringError("expected results to be tensors");
    unsigned number = static_cast<unsigned>(i);
    if (encoded) {
      pairs.push_back({number, "codes", &encoded->codes, &results[0],
                       Element::I8, Role::Exact});
      pairs.push_back({number, "scale", &encoded->scales, &results[1],
                       Element::F32, Role::Exact});
    } else {
      pairs.push_back({number, "", plain, &results[0],
                       reference::elementOf(name.getType()),
                       reference::roleOf(name)});
    }
    results = results.drop_front(parts);
  }
  return pairs;
}

/// How far a comparison is from failing: above 1 it has failed.
static double severity(const reference::Comparison &comparison) {
  if (comparison.maxAbsError == 0)
    return 0;
  return comparison.tolerance == 0
             ? std::numeric_limits<double>::infinity()
             : comparison.maxAbsError / comparison.tolerance;
}

static std::vector<int64_t> indexOf(int64_t position, ArrayRef<int64_t> shape) {
  std::vector<int64_t> index(shape.size());
  for (size_t axis = shape.size(); axis-- > 0;) {
    index[axis] = position % shape[axis];
    position /= shape[axis];
  }
  return index;
}

/// The elements of every stride-th row; rows are the leading `dims` dims.
static std::vector<int64_t> sampled(ArrayRef<int64_t> shape, size_t dims,
                                    int64_t stride) {
  int64_t width = 1, rows = 1;
  for (size_t axis = 0; axis < shape.size(); ++axis)
    (axis < dims ? rows : width) *= shape[axis];
  std::vector<int64_t> positions;
  for (int64_t row = 0; row < rows; row += stride)
    for (int64_t i = 0; i < width; ++i)
      positions.push_back(row * width + i);
  return positions;
}

/// The row of an element as the reference counts: batch, head, query.
static reference::Row rowOf(ArrayRef<int64_t> index, bool tokenMajor,
                            const reference::Batch *batch) {
  if (!tokenMajor || !batch)
    return {index[0], index[1], index[2]};
  int64_t i = 0;
  while (i + 1 < batch->size() && batch->rows[i + 1] <= index[0])
    ++i;
  return {i, index[1], index[0] - batch->rows[i]};
}

Rounding fovea::roundingOf(StringRef target) {
  for (const TargetInfo &info : allTargets())
    if (info.name == target)
      return info.isGpu()  ? Rounding::WeightsAndRotated
             : info.matrix ? Rounding::BF16Weights
                           : Rounding::None;
  return Rounding::None;
}

/// The type of the queries, of those that an argument has.
static Element narrowest(func::FuncOp kernel) {
  Element found = Element::F32;
  for (Type type : kernel.getArgumentTypes())
    if (auto tensor = dyn_cast<RankedTensorType>(type)) {
      if (tensor.getElementType().isBF16())
        return Element::BF16;
      if (tensor.getElementType().isF16())
        found = Element::F16;
    }
  return found;
}

static bool roundsWeights(func::FuncOp kernel, Rounding rounding) {
  if (rounding != Rounding::BF16Weights)
    return rounding == Rounding::WeightsAndRotated;
  return narrowest(kernel) == Element::BF16 &&
         llvm::none_of(kernel.getArgumentTypes(),
                       [](Type type) { return isa<kv::CacheType>(type); });
}

reference::Report fovea::reportFor(func::FuncOp kernel, Rounding rounding) {
  reference::Report report;
  if (rounding == Rounding::WeightsAndRotated)
    report.rotated = narrowest(kernel);
  return report;
}

double fovea::allowedError(func::FuncOp kernel, ArrayRef<double> want,
                           Element element, Role role,
                           const reference::Report &report, Rounding rounding) {
  double bound = reference::errorBound(want, element, role, report.maxScore);
  if (role == Role::Output && roundsWeights(kernel, rounding))
    bound += reference::weightBound(narrowest(kernel), report.maxValue);
  // A region may be steeper than p: p * p doubles a relative error.
  if (report.prob && role == Role::Output)
    bound *= 4;
  return bound;
}

llvm::Expected<Verification>
fovea::verify(func::FuncOp kernel, ArrayRef<HostValue> arguments,
              ArrayRef<HostTensor> results, int64_t stride,
              const reference::Batch *batch,
              std::vector<reference::Cache> *after,
              std::function<void(const reference::WeighedRow &)> weigh,
              Rounding rounding) {
  bool tokenMajor = hasTokenMajorRows(kernel);
  size_t rowDims = tokenMajor ? 2 : 3;
  llvm::Expected<std::vector<reference::Value>> inputs =
      toReference(kernel, arguments);
  if (!inputs)
    return inputs.takeError();
  reference::Report report = reportFor(kernel, rounding);
  report.stride = stride;
  report.weigh = std::move(weigh);
  llvm::Expected<std::vector<reference::Value>> wanted =
      reference::evaluate(kernel, *inputs, &report, batch);
  if (!wanted)
    return wanted.takeError();
  llvm::Expected<std::vector<Pair>> pairs = pairUp(kernel, *wanted, results);
  if (!pairs)
    return pairs.takeError();

  Verification verification;
  verification.maxScore = report.maxScore;
  if (report.hidden)
    verification.hidden = report.hidden;
  double worst = -1;
  for (const Pair &pair : *pairs) {
    if (pair.want->shape != pair.got->shape)
      return llvm::createStringError("expected result " +
                                     llvm::Twine(pair.result) +
                                     " to have the reference's shape");
    std::vector<int64_t> positions = sampled(pair.want->shape, rowDims, stride);
    std::vector<double> got, want;
    for (int64_t position : positions) {
      got.push_back(pair.got->get(position));
      want.push_back(pair.want->data[position]);
    }
    double bound =
        allowedError(kernel, want, pair.element, pair.role, report, rounding);
    reference::Comparison comparison = reference::compare(got, want, bound);
    verification.ok &= comparison.ok;
    if (comparison.worst < 0 || severity(comparison) <= worst)
      continue;
    worst = severity(comparison);
    verification.maxAbsError = comparison.maxAbsError;
    verification.maxRelError = comparison.maxRelError;
    verification.tolerance = comparison.tolerance;
    verification.result = pair.result;
    verification.part = pair.part;
    verification.worst = indexOf(positions[comparison.worst], pair.want->shape);
    verification.got = got[comparison.worst];
    verification.want = want[comparison.worst];
  }
  if (after)
    for (reference::Value &value : *wanted)
      if (auto *cache = std::get_if<reference::Cache>(&value))
        after->push_back(std::move(*cache));
  if (verification.ok || verification.worst.size() < rowDims)
    return verification;
  // Once more, for what the failing row sees.
  reference::Report again;
  again.stride = std::numeric_limits<int64_t>::max(); // no results wanted
  again.rotated = report.rotated;
  again.row = rowOf(verification.worst, tokenMajor, batch);
  llvm::consumeError(
      reference::evaluate(kernel, *inputs, &again, batch).takeError());
  verification.sights = std::move(again.sights);
  return verification;
}

std::string fovea::describeKeys(const reference::Sight &sight) {
  std::string text;
  llvm::raw_string_ostream os(text);
  StringRef separator = "";
  for (size_t i = 0; i < sight.keys.size(); ++i) {
    auto [first, count] = sight.keys[i];
    os << separator << first;
    separator = " ";
    if (count != 1) {
      os << "+" << count;
      continue;
    }
    size_t last = i; // of a run of single tokens
    while (last + 1 < sight.keys.size() && sight.keys[last + 1].second == 1 &&
           sight.keys[last + 1].first == sight.keys[last].first + 1)
      ++last;
    if (last > i)
      os << "-" << sight.keys[last].first;
    i = last;
  }
  return sight.keys.empty() ? "no key" : text;
}

std::string Verification::describe() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "result " << result << (part.empty() ? "" : ".") << part << " at [";
  llvm::interleaveComma(worst, os);
  os << "]: got " << llvm::format("%.9g", got) << ", expected "
     << llvm::format("%.9g", want) << " (error "
     << llvm::format("%.3g", maxAbsError) << ", allowed "
     << llvm::format("%.3g", tolerance) << ")";
  for (const reference::Sight &sight : sights)
    os << "\n  " << sight.op << ": the row sees " << describeKeys(sight);
  return text;
}
