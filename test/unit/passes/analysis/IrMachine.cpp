// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Values become numbered slots of a frame, ops instructions on them; regions
// stay trees. See the header.
#include "test/unit/passes/analysis/IrMachine.h"

#include "passes/analysis/MaskFlags.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/TypeSwitch.h"

#include <deque>

using namespace mlir;

namespace fovea::masktest {

namespace {

enum class Do : uint8_t {
  Constant,
  Add,
  Sub,
  Mul,
  DivS,
  DivU,
  RemS,
  RemU,
  FloorDiv,
  CeilDiv,
  CeilDivU,
  And,
  Or,
  Xor,
  Shl,
  ShrS,
  ShrU,
  MinS,
  MaxS,
  MinU,
  MaxU,
  Compare,
  Select,
  Widen,  // to `width` bits, as it is (index_cast, extsi, trunci)
  WidenU, // the same without sign
  Load,
  Store,
  Dim,
  Alloca,
  Call,
  If,
  For,
  While
};

struct Instruction;
struct Region {
  std::vector<Instruction> code;
  std::vector<int> arguments, yields;
  int condition = -1; // of scf.condition
};

struct Instruction {
  Do what;
  unsigned width = 64, from = 64; // bits of the result, of the first operand
  arith::CmpIPredicate predicate = arith::CmpIPredicate::eq;
  int64_t number = 0; // constant, callee, extents of an alloca in `extents`
  std::vector<int> in, out;
  std::vector<int64_t> extents;
  std::vector<Region> regions;
};

struct Function {
  int slots = 0;
  bool flags = false; // one of MaskFlags.h, done here
  Region body;
};

unsigned widthOf(Type type) {
  return type.isIndex() ? 64 : type.getIntOrFloatBitWidth();
}

int64_t narrow(int64_t x, unsigned width) {
  if (width == 64)
    return x;
  if (width == 1)
    return x & 1;
  return int64_t(uint64_t(x) << (64 - width)) >> (64 - width);
}
uint64_t bits(int64_t x, unsigned width) {
  return width == 64 ? uint64_t(x) : uint64_t(x) & ((uint64_t(1) << width) - 1);
}

} // namespace

struct IrMachine::Code {
  std::vector<Function> functions;
  llvm::StringMap<int> names;
  std::string *error;
  std::vector<Word> stack;
  std::deque<IrTable> allocated;

  // Reading.
  llvm::DenseMap<mlir::Value, int> slots;
  int define(mlir::Value v, int &next) { return slots[v] = next++; }
  void read(mlir::Block &block, Region &to, int &next);
  void readOp(Operation &op, Region &to, int &next);

  // Running.
  bool fail(const char *what) {
    if (error->empty())
      *error = what;
    return false;
  }
  bool run(const Region &region, Word *frame);
  bool step(const Instruction &i, Word *frame);
  bool binary(const Instruction &i, int64_t a, int64_t b, int64_t &r);
  bool element(const Instruction &i, size_t first, Word *frame, int64_t *&at);
  bool call(const Instruction &i, Word *frame);
  bool flags(const Instruction &i, Word *frame);
  bool loop(const Instruction &i, Word *frame);
  bool repeat(const Instruction &i, Word *frame);
};

//===--- reading ----------------------------------------------------------===//

void IrMachine::Code::read(mlir::Block &block, Region &to, int &next) {
  for (mlir::Value argument : block.getArguments())
    to.arguments.push_back(define(argument, next));
  for (Operation &op : block) {
    if (!isa<func::ReturnOp, scf::YieldOp, scf::ConditionOp>(op)) {
      readOp(op, to, next);
      continue;
    }
    OperandRange values = op.getOperands();
    if (isa<scf::ConditionOp>(op)) {
      to.condition = slots.lookup(values.front());
      values = values.drop_front();
    }
    for (mlir::Value v : values)
      to.yields.push_back(slots.lookup(v));
  }
}

static Do kindOf(Operation &op) {
  return llvm::TypeSwitch<Operation *, Do>(&op)
      .Case([](arith::AddIOp) { return Do::Add; })
      .Case([](arith::SubIOp) { return Do::Sub; })
      .Case([](arith::MulIOp) { return Do::Mul; })
      .Case([](arith::DivSIOp) { return Do::DivS; })
      .Case([](arith::DivUIOp) { return Do::DivU; })
      .Case([](arith::RemSIOp) { return Do::RemS; })
      .Case([](arith::RemUIOp) { return Do::RemU; })
      .Case([](arith::FloorDivSIOp) { return Do::FloorDiv; })
      .Case([](arith::CeilDivSIOp) { return Do::CeilDiv; })
      .Case([](arith::CeilDivUIOp) { return Do::CeilDivU; })
      .Case([](arith::AndIOp) { return Do::And; })
      .Case([](arith::OrIOp) { return Do::Or; })
      .Case([](arith::XOrIOp) { return Do::Xor; })
      .Case([](arith::ShLIOp) { return Do::Shl; })
      .Case([](arith::ShRSIOp) { return Do::ShrS; })
      .Case([](arith::ShRUIOp) { return Do::ShrU; })
      .Case([](arith::MinSIOp) { return Do::MinS; })
      .Case([](arith::MaxSIOp) { return Do::MaxS; })
      .Case([](arith::MinUIOp) { return Do::MinU; })
      .Case([](arith::MaxUIOp) { return Do::MaxU; })
      .Case([](arith::CmpIOp) { return Do::Compare; })
      .Case([](arith::SelectOp) { return Do::Select; })
      .Case<arith::ExtSIOp, arith::TruncIOp, arith::IndexCastOp>(
          [](auto) { return Do::Widen; })
      .Case<arith::ExtUIOp, arith::IndexCastUIOp>(
          [](auto) { return Do::WidenU; })
      .Case([](memref::LoadOp) { return Do::Load; })
      .Case([](memref::StoreOp) { return Do::Store; })
      .Case([](memref::DimOp) { return Do::Dim; })
      .Case([](memref::AllocaOp) { return Do::Alloca; })
      .Case([](func::CallOp) { return Do::Call; })
      .Case([](scf::IfOp) { return Do::If; })
      .Case([](scf::ForOp) { return Do::For; })
      .Case([](scf::WhileOp) { return Do::While; })
      .Default([](Operation *) { return Do::Constant; });
}

void IrMachine::Code::readOp(Operation &op, Region &to, int &next) {
  Instruction i{kindOf(op)};
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto number = dyn_cast<IntegerAttr>(constant.getValue());
    if (!number)
      fail("a constant that is no integer");
    else
      i.number =
          narrow(number.getValue().getSExtValue(), widthOf(number.getType()));
  } else if (i.what == Do::Constant) {
    *error = "unknown op " + op.getName().getStringRef().str();
  }
  for (mlir::Value operand : op.getOperands())
    i.in.push_back(slots.lookup(operand));
  if (op.getNumOperands() && op.getOperand(0).getType().isIntOrIndex())
    i.from = widthOf(op.getOperand(0).getType());
  if (op.getNumResults() && op.getResult(0).getType().isIntOrIndex())
    i.width = widthOf(op.getResult(0).getType());
  if (auto compare = dyn_cast<arith::CmpIOp>(op))
    i.predicate = compare.getPredicate();
  if (auto alloca = dyn_cast<memref::AllocaOp>(op))
    i.extents.assign(alloca.getType().getShape().begin(),
                     alloca.getType().getShape().end());
  if (auto callee = dyn_cast<func::CallOp>(op)) {
    auto known = names.find(callee.getCallee());
    i.number = known == names.end() ? -1 : known->second;
  }
  for (mlir::Region &region : op.getRegions()) {
    i.regions.emplace_back();
    if (!region.empty())
      read(region.front(), i.regions.back(), next);
  }
  for (mlir::Value result : op.getResults())
    i.out.push_back(define(result, next));
  to.code.push_back(std::move(i));
}

//===--- running ----------------------------------------------------------===//

bool IrMachine::Code::binary(const Instruction &i, int64_t a, int64_t b,
                             int64_t &r) {
  unsigned w = i.width;
  uint64_t ua = bits(a, w), ub = bits(b, w);
  bool divides = i.what >= Do::DivS && i.what <= Do::CeilDivU;
  if (divides && b == 0)
    return fail("a division by 0");
  bool isSigned = i.what == Do::DivS || i.what == Do::RemS ||
                  i.what == Do::FloorDiv || i.what == Do::CeilDiv;
  if (divides && isSigned && b == -1 && a == narrow(int64_t(1) << (w - 1), w))
    return fail("a quotient that does not fit");
  if (i.what >= Do::Shl && i.what <= Do::ShrU && ub >= w)
    return fail("a shift by all bits or more");
  switch (i.what) {
  case Do::Add:
    r = int64_t(uint64_t(a) + uint64_t(b));
    break;
  case Do::Sub:
    r = int64_t(uint64_t(a) - uint64_t(b));
    break;
  case Do::Mul:
    r = int64_t(uint64_t(a) * uint64_t(b));
    break;
  case Do::DivS:
    r = a / b;
    break;
  case Do::RemS:
    r = a % b;
    break;
  case Do::FloorDiv:
    r = a / b - (a % b != 0 && (a < 0) != (b < 0));
    break;
  case Do::CeilDiv:
    r = a / b + (a % b != 0 && (a < 0) == (b < 0));
    break;
  case Do::DivU:
    r = int64_t(ua / ub);
    break;
  case Do::RemU:
    r = int64_t(ua % ub);
    break;
  case Do::CeilDivU:
    r = int64_t(ua / ub + (ua % ub != 0));
    break;
  case Do::And:
    r = a & b;
    break;
  case Do::Or:
    r = a | b;
    break;
  case Do::Xor:
    r = a ^ b;
    break;
  case Do::Shl:
    r = int64_t(ua << ub);
    break;
  case Do::ShrS:
    r = a >> ub;
    break;
  case Do::ShrU:
    r = int64_t(ua >> ub);
    break;
  case Do::MinS:
    r = std::min(a, b);
    break;
  case Do::MaxS:
    r = std::max(a, b);
    break;
  case Do::MinU:
    r = ua < ub ? a : b;
    break;
  case Do::MaxU:
    r = ua > ub ? a : b;
    break;
  default:
    return fail("an op that is not known");
  }
  r = narrow(r, w);
  return true;
}

bool IrMachine::Code::element(const Instruction &i, size_t first, Word *frame,
                              int64_t *&at) {
  IrTable &table = *frame[i.in[first - 1]].table;
  int64_t offset = 0;
  for (size_t d = 0; d < table.shape.size(); ++d) {
    int64_t index = frame[i.in[first + d]].i;
    if (index < 0 || index >= table.shape[d])
      return fail("an access outside of a table");
    offset = offset * table.shape[d] + index;
  }
  at = &table.data[size_t(offset)];
  return true;
}

bool IrMachine::Code::call(const Instruction &i, Word *frame) {
  if (i.number < 0)
    return fail("a call of an unknown function");
  const Function &callee = functions[size_t(i.number)];
  if (callee.flags)
    return flags(i, frame);
  size_t base = stack.size(), at = size_t(frame - stack.data());
  if (base + size_t(callee.slots) > stack.capacity())
    return fail("calls too deep");
  stack.resize(base + size_t(callee.slots));
  frame = stack.data() + at;
  Word *inner = stack.data() + base;
  for (size_t a = 0; a < i.in.size(); ++a)
    inner[callee.body.arguments[a]] = frame[i.in[a]];
  bool ok = run(callee.body, inner);
  for (size_t r = 0; ok && r < i.out.size(); ++r)
    frame[i.out[r]] = inner[callee.body.yields[r]];
  stack.resize(base);
  return ok;
}

/// Which entries of a box of a table are 0; the box must lie in it. The
/// emitted function reads vectors of bytes, which machines of integers do not.
bool IrMachine::Code::flags(const Instruction &i, Word *frame) {
  IrTable &table = *frame[i.in[0]].table;
  size_t rank = table.shape.size();
  std::vector<int64_t> at(rank);
  for (size_t d = 0; d < rank; ++d) {
    at[d] = frame[i.in[1 + 2 * d]].i;
    int64_t end = frame[i.in[2 + 2 * d]].i;
    if (at[d] < 0 || at[d] >= end || end > table.shape[d])
      return fail("a box outside of a table");
  }
  int64_t least = 1, most = 0;
  for (size_t d = 0; d < rank;) {
    int64_t offset = 0;
    for (size_t a = 0; a < rank; ++a)
      offset = offset * table.shape[a] + at[a];
    least &= table.data[size_t(offset)] != 0;
    most |= table.data[size_t(offset)] != 0;
    // The next entry: the first axis that does not come to its end.
    for (d = 0; d < rank && ++at[d] >= frame[i.in[2 + 2 * d]].i; ++d)
      at[d] = frame[i.in[1 + 2 * d]].i;
  }
  frame[i.out[0]].i = least;
  frame[i.out[1]].i = most;
  return true;
}

/// scf.for: lower, upper, step, then what it carries.
bool IrMachine::Code::loop(const Instruction &i, Word *frame) {
  const Region &body = i.regions[0];
  std::vector<Word> carried;
  for (size_t c = 3; c < i.in.size(); ++c)
    carried.push_back(frame[i.in[c]]);
  int64_t step = frame[i.in[2]].i, end = frame[i.in[1]].i;
  if (step < 1)
    return fail("a loop without a step");
  for (int64_t x = frame[i.in[0]].i; x < end; x += step) {
    frame[body.arguments[0]].i = x;
    for (size_t c = 0; c < carried.size(); ++c)
      frame[body.arguments[c + 1]] = carried[c];
    if (!run(body, frame))
      return false;
    for (size_t c = 0; c < carried.size(); ++c)
      carried[c] = frame[body.yields[c]];
  }
  for (size_t c = 0; c < carried.size(); ++c)
    frame[i.out[c]] = carried[c];
  return true;
}

bool IrMachine::Code::repeat(const Instruction &i, Word *frame) {
  const Region &before = i.regions[0], &after = i.regions[1];
  std::vector<Word> carried;
  for (int slot : i.in)
    carried.push_back(frame[slot]);
  for (int64_t turns = 0; turns < 10'000'000; ++turns) {
    for (size_t c = 0; c < carried.size(); ++c)
      frame[before.arguments[c]] = carried[c];
    if (!run(before, frame))
      return false;
    carried.clear();
    for (int slot : before.yields)
      carried.push_back(frame[slot]);
    if (!frame[before.condition].i) {
      for (size_t c = 0; c < carried.size(); ++c)
        frame[i.out[c]] = carried[c];
      return true;
    }
    for (size_t c = 0; c < carried.size(); ++c)
      frame[after.arguments[c]] = carried[c];
    if (!run(after, frame))
      return false;
    carried.clear();
    for (int slot : after.yields)
      carried.push_back(frame[slot]);
  }
  return fail("a loop that does not end");
}

static bool compare(arith::CmpIPredicate p, int64_t a, int64_t b, unsigned w) {
  // As an i1, true is -1.
  int64_t sa = w == 1 ? -a : a, sb = w == 1 ? -b : b;
  uint64_t ua = bits(a, w), ub = bits(b, w);
  switch (p) {
  case arith::CmpIPredicate::eq:
    return a == b;
  case arith::CmpIPredicate::ne:
    return a != b;
  case arith::CmpIPredicate::slt:
    return sa < sb;
  case arith::CmpIPredicate::sle:
    return sa <= sb;
  case arith::CmpIPredicate::sgt:
    return sa > sb;
  case arith::CmpIPredicate::sge:
    return sa >= sb;
  case arith::CmpIPredicate::ult:
    return ua < ub;
  case arith::CmpIPredicate::ule:
    return ua <= ub;
  case arith::CmpIPredicate::ugt:
    return ua > ub;
  case arith::CmpIPredicate::uge:
    return ua >= ub;
  }
  return false;
}

bool IrMachine::Code::step(const Instruction &i, Word *frame) {
  auto in = [&](size_t n) { return frame[i.in[n]].i; };
  int64_t *at;
  switch (i.what) {
  case Do::Constant:
    frame[i.out[0]].i = i.number;
    return true;
  case Do::Compare:
    frame[i.out[0]].i = compare(i.predicate, in(0), in(1), i.from);
    return true;
  case Do::Select:
    frame[i.out[0]] = frame[i.in[in(0) ? 1 : 2]];
    return true;
  case Do::Widen:
    frame[i.out[0]].i = narrow(i.from == 1 ? -in(0) : in(0), i.width);
    return true;
  case Do::WidenU:
    frame[i.out[0]].i = narrow(int64_t(bits(in(0), i.from)), i.width);
    return true;
  case Do::Load:
    if (!element(i, 1, frame, at))
      return false;
    frame[i.out[0]].i = *at;
    return true;
  case Do::Store:
    if (!element(i, 2, frame, at))
      return false;
    *at = in(0);
    return true;
  case Do::Dim: {
    const IrTable &table = *frame[i.in[0]].table;
    if (in(1) < 0 || size_t(in(1)) >= table.shape.size())
      return fail("an axis that a table does not have");
    frame[i.out[0]].i = table.shape[size_t(in(1))];
    return true;
  }
  case Do::Alloca: {
    int64_t n = 1;
    for (int64_t extent : i.extents)
      n *= extent;
    allocated.push_back({i.extents, std::vector<int64_t>(size_t(n), -77)});
    frame[i.out[0]].table = &allocated.back();
    return true;
  }
  case Do::Call:
    return call(i, frame);
  case Do::If: {
    const Region &chosen = i.regions[in(0) ? 0 : 1];
    if (!run(chosen, frame))
      return false;
    for (size_t r = 0; r < i.out.size(); ++r)
      frame[i.out[r]] = frame[chosen.yields[r]];
    return true;
  }
  case Do::For:
    return loop(i, frame);
  case Do::While:
    return repeat(i, frame);
  default:
    return binary(i, in(0), in(1), frame[i.out[0]].i);
  }
}

bool IrMachine::Code::run(const Region &region, Word *frame) {
  for (const Instruction &i : region.code)
    if (!step(i, frame))
      return false;
  return true;
}

//===--- the outside ------------------------------------------------------===//

IrMachine::IrMachine(ModuleOp module) : code(std::make_unique<Code>()) {
  code->error = &error;
  code->stack.reserve(1 << 16);
  for (auto func : module.getOps<func::FuncOp>())
    if (!func.isExternal())
      code->names.try_emplace(func.getSymName(), int(code->names.size()));
  code->functions.resize(code->names.size());
  for (auto func : module.getOps<func::FuncOp>()) {
    if (func.isExternal())
      continue;
    Function &to = code->functions[size_t(code->names[func.getSymName()])];
    to.flags = func.getSymName().starts_with(kMaskFlagPrefix);
    if (to.flags)
      continue;
    code->read(func.getBody().front(), to.body, to.slots);
  }
}

IrMachine::~IrMachine() = default;

int IrMachine::find(llvm::StringRef name) const {
  auto it = code->names.find(name);
  return it == code->names.end() ? -1 : it->second;
}

bool IrMachine::call(int function, llvm::ArrayRef<Word> arguments,
                     llvm::MutableArrayRef<Word> results) {
  if (!error.empty())
    return false;
  const Function &callee = code->functions[size_t(function)];
  code->stack.resize(size_t(callee.slots));
  code->allocated.clear();
  Word *frame = code->stack.data();
  for (auto [slot, argument] :
       llvm::zip_equal(callee.body.arguments, arguments))
    frame[slot] = argument;
  if (!code->run(callee.body, frame))
    return false;
  for (auto [slot, result] : llvm::zip_equal(callee.body.yields, results))
    result = frame[slot];
  return true;
}

} // namespace fovea::masktest
