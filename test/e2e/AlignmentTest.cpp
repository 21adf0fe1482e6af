// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows that a GPU's copies of 16 bytes cannot read: the call says so, and the
// next one runs. On the emulated GPU.
#include "test/e2e/Loaded.h"

#include "test/e2e/Compiled.h"
#include "tools/fovea/Verify.h"

#include <list>
#include <optional>

using namespace fovea;
using namespace fovea::e2e;

namespace {

/// q, k, v and o of one call, [2, 2, 8, 16] of f16 unless one is given
/// otherwise.
class EmulatedAlignment : public testing::Test {
protected:
  EmulatedAlignment()
      : row(Case("rows").shape(2, 8, 8).element("f16").outputOnly()),
        loaded(row) {}

  void SetUp() override {
    ASSERT_TRUE(loaded.good);
    auto made = Compiled::compile(row.spec(), "rows.mlir", kEmulated);
    ASSERT_TRUE(bool(made)) << llvm::toString(made.takeError());
    compiled.emplace(std::move(*made));
    for (HostValue &value : loaded.arguments)
      tensors.push_back({&value.tensor, {}, {}});
    tensors.push_back({&loaded.results[0], {}, {}});
  }

  /// Room for tensor i with these strides (elements) and offset (bytes), which
  /// then stands in its place, with the same numbers.
  void place(size_t i, std::vector<int64_t> strides, uint64_t offset = 0) {
    HostTensor &from = *tensors[i].tensor;
    std::vector<int64_t> shape = from.shape;
    int64_t room = int64_t(offset / 2) + 1;
    for (size_t axis = 0; axis < shape.size(); ++axis)
      room += (shape[axis] - 1) * strides[axis];
    HostTensor &to =
        rooms.emplace_back(FOVEA_DTYPE_F16, std::vector<int64_t>{room});
    for (int64_t at = 0; at < from.size(); ++at) {
      int64_t rest = at, place = int64_t(offset / 2);
      for (size_t axis = shape.size(); axis-- > 0; rest /= shape[axis])
        place += rest % shape[axis] * strides[axis];
      to.set(place, from.get(at));
    }
    tensors[i] = {&to, shape, strides, offset};
  }

  llvm::Error run() {
    return compiled->run(tensors, loaded.arguments, row.callDims());
  }

  void expectRefused() {
    EXPECT_EQ(llvm::toString(run()),
              "running: kernel 'rows': stage 'attend' expected the rows of its "
              "arguments and results to be aligned for a GPU, addresses and "
              "strides: rows to 16 bytes, int8 rows of dims that 16 does not "
              "divide and 16-bit results to 8");
  }

  /// Runs, and holds what lies in o's place against the reference.
  void expectRuns() {
    llvm::Error error = run();
    ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
    auto verification =
        verify(loaded.kernel, loaded.arguments, loaded.results, 1, nullptr,
               nullptr, {}, Rounding::WeightsAndRotated);
    ASSERT_TRUE(bool(verification)) << llvm::toString(verification.takeError());
    EXPECT_TRUE(verification->ok) << verification->describe();
  }

  const std::vector<int64_t> packed{256, 128, 16, 1};
  Case row;
  Loaded loaded;
  std::optional<Compiled> compiled;
  std::vector<StridedTensor> tensors;
  std::list<HostTensor> rooms;
};

} // namespace

TEST_F(EmulatedAlignment, RowsApartByPiecesAreRead) {
  for (size_t i : {0, 1, 2})
    place(i, {512, 256, 24, 1}, 16);
  expectRuns();
}

TEST_F(EmulatedAlignment, StridesAreLookedAt) {
  for (size_t i : {0, 1, 2}) {
    std::vector<StridedTensor> before = tensors;
    place(i, {640, 320, 20, 1});
    expectRefused();
    tensors = before;
    place(i, {260, 128, 16, 1});
    expectRefused();
    tensors = before;
  }
  expectRuns();
}

TEST_F(EmulatedAlignment, AddressesAreLookedAt) {
  for (size_t i : {0, 1, 2}) {
    std::vector<StridedTensor> before = tensors;
    for (uint64_t offset : {2, 8}) {
      place(i, packed, offset);
      expectRefused();
      tensors = before;
    }
  }
  // Results are written eight bytes at a time.
  std::vector<StridedTensor> before = tensors;
  place(3, packed, 4);
  expectRefused();
  tensors = before;
  place(3, packed, 8);
  llvm::Error error = run();
  EXPECT_FALSE(bool(error)) << llvm::toString(std::move(error));
  tensors = before;
  expectRuns();
}

// What has one row in a dim may have any stride there.
TEST_F(EmulatedAlignment, StridesThatNobodyTakesAreNot) {
  Case one = Case("rows").shape(1, 1, 8).element("f16").outputOnly();
  Loaded other(one);
  ASSERT_TRUE(other.good);
  std::vector<StridedTensor> calls;
  for (HostValue &value : other.arguments)
    calls.push_back({&value.tensor, {}, {}});
  calls.push_back({&other.results[0], {}, {}});
  calls[0].shape = calls[0].tensor->shape;
  calls[0].strides = {7, 16, 3, 1};
  llvm::Error error = compiled->run(calls, other.arguments, one.callDims());
  ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
  auto verification = verify(other.kernel, other.arguments, other.results, 1,
                             nullptr, nullptr, {}, Rounding::WeightsAndRotated);
  ASSERT_TRUE(bool(verification)) << llvm::toString(verification.takeError());
  EXPECT_TRUE(verification->ok) << verification->describe();
}

// Codes come eight at a time where 16 does not divide their dim.
TEST(EmulatedCodes, AreAlignedAsTheirDimIs) {
  for (int64_t dim : {16, 24}) {
    SCOPED_TRACE(dim);
    Case c = Case("codes").shape(1, 8, 8).dims(dim, dim).element("f16").int8();
    c.outputOnly();
    Loaded loaded(c);
    ASSERT_TRUE(loaded.good);
    auto compiled = Compiled::compile(c.spec(), "codes.mlir", kEmulated);
    ASSERT_TRUE(bool(compiled)) << llvm::toString(compiled.takeError());
    std::vector<StridedTensor> tensors;
    std::list<HostTensor> rooms;
    for (HostValue &value : loaded.arguments) {
      tensors.push_back({&value.tensor, {}, {}});
      if (value.tensor.dtype != FOVEA_DTYPE_I8)
        continue;
      HostTensor &from = value.tensor;
      HostTensor &to = rooms.emplace_back(
          FOVEA_DTYPE_I8, std::vector<int64_t>{from.size() + 8});
      for (int64_t i = 0; i < from.size(); ++i)
        to.set(8 + i, from.get(i));
      tensors.back() = {&to, from.shape, {}, 8};
      int64_t stride = 1;
      for (size_t axis = from.shape.size(); axis-- > 0;) {
        auto &strides = tensors.back().strides;
        strides.insert(strides.begin(), stride);
        stride *= from.shape[axis];
      }
    }
    ASSERT_EQ(rooms.size(), 2u);
    tensors.push_back({&loaded.results[0], {}, {}});
    llvm::Error error = compiled->run(tensors, loaded.arguments, c.callDims());
    EXPECT_EQ(bool(error), dim == 16);
    if (error) {
      std::string text = llvm::toString(std::move(error));
      EXPECT_NE(text.find("to be aligned for a GPU"), std::string::npos)
          << text;
      continue;
    }
    auto verification =
        verify(loaded.kernel, loaded.arguments, loaded.results, 1, nullptr,
               nullptr, {}, Rounding::WeightsAndRotated);
    ASSERT_TRUE(bool(verification)) << llvm::toString(verification.takeError());
    EXPECT_TRUE(verification->ok) << verification->describe();
  }
}
