// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The arguments of a kernel as its spec has them: what each is for, what it is
// called outside, sensible random values for it, and the way to the reference's
// values. For verify, bench and the end-to-end table.
#ifndef FOVEA_TOOLS_FOVEA_SPECARGUMENTS_H
#define FOVEA_TOOLS_FOVEA_SPECARGUMENTS_H

#include "dialects/reference/Value.h"
#include "tools/fovea/HostTensor.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include "llvm/Support/Error.h"

#include <map>
#include <string>
#include <vector>

namespace fovea {

/// What a kernel does with an argument; decides its default dims and its random
/// values.
enum class Use {
  Query,
  Key,
  Value,
  Offset,
  Lengths,
  LevelMap,
  Documents,
  Boundaries,
  Parents,     ///< of a tree
  HeadClass,   ///< which of the masks of `heads`
  MaskNumber,  ///< a width or a count, alone or by head
  Slopes,      ///< of ALiBi
  ScoreNumber, ///< softcap, scale
  Bias,
  SinkLogits,
  TopK,
  TopP,
  Cache,
  Rope, ///< the (cos, sin) of positions
  Table ///< read by a region, or by nothing
};

/// One argument of the function.
struct SpecArgument {
  std::string name; ///< attn.name
  mlir::Type type;
  Use use = Use::Table;
  /// One name per extent; "" for those that are static. The blocks of a level
  /// map have names, but their number follows from sq and sk.
  std::vector<std::string> dims;
  int64_t queryBlock = 1, unit = 1; ///< of a level map
  std::vector<int64_t> levels;      ///< of the pyramid that a map is for
  int64_t masks = 1;                ///< that the class of a head chooses from
};
std::vector<SpecArgument> argumentsOf(mlir::func::FuncOp kernel);

/// What is handed in for one argument outside: a tensor, a scalar, or what a
/// cache holds. An argument with a format is two of them, codes and scales.
struct HostValue {
  std::string name; ///< "k", "k.codes"
  bool isScalar = false, isCache = false;
  HostTensor tensor;
  /// Of a cache, whose keys are `tensor`: both [b, heads, tokens, dim];
  /// sequence i holds the first tokens[i].
  HostTensor cachedValues;
  std::vector<int64_t> tokens;
  int64_t i = 0; ///< of an integer or `index`
  double f = 0;  ///< of a float
};

/// Extents by name: "b", "sq", "sk", and what attn.dims names.
using Dims = std::map<std::string, int64_t>;

/// Random values for all arguments but caches (those are left empty), the same
/// for the same seed on every machine. Fails if an extent has no value in
/// `dims`.
llvm::Expected<std::vector<HostValue>>
randomArguments(mlir::func::FuncOp kernel, const Dims &dims, uint64_t seed);

/// Whether the rows of the kernel's queries are token-major: [rows, head, dim],
/// those of all sequences one behind the other.
bool hasTokenMajorRows(mlir::func::FuncOp kernel);

/// Values from outside, in the order of the function's arguments, as the
/// reference takes them. Sequence i of a cache has the id i + 1.
llvm::Expected<std::vector<reference::Value>>
toReference(mlir::func::FuncOp kernel, llvm::ArrayRef<HostValue> values);

/// Zeroed tensors for the results of a call with `dims`: dynamic extents are
/// those of the arguments; a result with a format is two.
llvm::Expected<std::vector<HostTensor>> resultsFor(mlir::func::FuncOp kernel,
                                                   const Dims &dims);

/// The storage type of an element; FOVEA_DTYPE_NONE if there is none.
fovea_dtype dtypeOf(mlir::Type element);

/// A tensor's elements as the reference's.
reference::Tensor toTensor(const HostTensor &tensor);

} // namespace fovea

#endif // FOVEA_TOOLS_FOVEA_SPECARGUMENTS_H
