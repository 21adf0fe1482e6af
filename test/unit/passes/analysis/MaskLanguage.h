// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The masks of the tests, written once as expressions: `Program` evaluates
// one by itself (the brute force that judges the compiler) and builds the MLIR
// function that the compiler is given. Shares nothing with the analysis.
#ifndef FOVEA_TEST_UNIT_PASSES_ANALYSIS_MASKLANGUAGE_H
#define FOVEA_TEST_UNIT_PASSES_ANALYSIS_MASKLANGUAGE_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace fovea::masktest {

enum class Kind {
  Const,
  Var,
  Scalar,
  Load,
  Add,
  Sub,
  Mul,
  DivS,
  DivU,
  FloorDiv,
  CeilDiv,
  CeilDivU,
  RemS,
  RemU,
  MinS,
  MaxS,
  MinU,
  MaxU,
  AndI,
  OrI,
  XorI,
  Shl,
  ShrS,
  ShrU,
  Select,
  FromBool,
  // booleans
  Eq,
  Ne,
  Slt,
  Sle,
  Sgt,
  Sge,
  Ult,
  Ule,
  Ugt,
  Uge,
  And,
  Or,
  Xor,
  Not,
  FloatLess,
  BitOf
};
enum VarName { B, H, Q, K, Len };

struct Node {
  Kind kind;
  int64_t c = 0;
  bool narrow = false; // computed in i32
  std::vector<std::shared_ptr<const Node>> args;
  bool isBool() const { return kind >= Kind::Eq; }
};

/// A handle with operators; integers are of type index.
struct X {
  std::shared_ptr<const Node> node;
  X(int64_t c) : X(make(Kind::Const, {}, c)) {}
  X(int c) : X(int64_t(c)) {}
  explicit X(std::shared_ptr<const Node> node) : node(std::move(node)) {}
  static X make(Kind kind, std::vector<X> args, int64_t c = 0,
                bool narrow = false);
};

inline X X::make(Kind kind, std::vector<X> args, int64_t c, bool narrow) {
  auto n = std::make_shared<Node>();
  n->kind = kind;
  n->c = c;
  n->narrow = narrow;
  for (X &x : args)
    n->args.push_back(x.node);
  return X(std::shared_ptr<const Node>(std::move(n)));
}

inline X var(VarName v) { return X::make(Kind::Var, {}, v); }
inline X scalar(int i) { return X::make(Kind::Scalar, {}, i); }
inline X load(int table, std::vector<X> at) {
  return X::make(Kind::Load, std::move(at), table);
}
#define FOVEA_TEST_BINARY(name, kind)                                          \
  inline X name(X a, X b) { return X::make(Kind::kind, {a, b}); }
FOVEA_TEST_BINARY(operator+, Add)
FOVEA_TEST_BINARY(operator-, Sub)
FOVEA_TEST_BINARY(operator*, Mul)
FOVEA_TEST_BINARY(fdiv, FloorDiv)
FOVEA_TEST_BINARY(udiv, DivU)
FOVEA_TEST_BINARY(umod, RemU)
FOVEA_TEST_BINARY(min, MinS)
FOVEA_TEST_BINARY(max, MaxS)
FOVEA_TEST_BINARY(operator==, Eq)
FOVEA_TEST_BINARY(operator!=, Ne)
FOVEA_TEST_BINARY(operator<, Slt)
FOVEA_TEST_BINARY(operator<=, Sle)
FOVEA_TEST_BINARY(operator>, Sgt)
FOVEA_TEST_BINARY(operator>=, Sge)
FOVEA_TEST_BINARY(operator&, And)
FOVEA_TEST_BINARY(operator|, Or)
#undef FOVEA_TEST_BINARY
inline X operator!(X a) { return X::make(Kind::Not, {a}); }
inline X select(X c, X a, X b) { return X::make(Kind::Select, {c, a, b}); }
/// The remainder of floor division, written out.
inline X fmod(X a, X b) { return a - fdiv(a, b) * b; }

/// A table operand: row-major `data`; stored with `step` between elements.
struct Table {
  std::vector<int64_t> shape;
  std::vector<int64_t> data;
  int bits = 32;
  int step = 1;
};

struct Operands {
  std::vector<Table> tables;    // operands 0..
  std::vector<int64_t> scalars; // index operands after them
};

struct Point {
  int64_t b, h, q, k, len;
};

/// A mask ready to be evaluated and built.
class Program {
public:
  explicit Program(const X &root);
  /// The value of the root. A read outside a table or a run-time divisor
  /// below 1 makes it 0.
  int64_t eval(const Point &p, const Operands &operands);
  /// func @name(tables..., scalars..., b, h, q, k, len) -> i1 or i32.
  mlir::func::FuncOp build(mlir::ModuleOp module, const std::string &name,
                           const Operands &operands) const;
  std::string dump() const;

private:
  int visit(const Node *n);
  std::vector<const Node *> order; // arguments first
  std::vector<std::vector<int>> inputs;
  std::vector<int64_t> values;
  X root;
};

} // namespace fovea::masktest
#endif // FOVEA_TEST_UNIT_PASSES_ANALYSIS_MASKLANGUAGE_H
