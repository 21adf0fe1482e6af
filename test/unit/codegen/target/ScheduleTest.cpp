// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every target, dim and storage type has a schedule within the register
// budget: one value too many spills, silently, and halves the speed.
#include "codegen/target/Schedule.h"

#include <gtest/gtest.h>

using namespace fovea;

static const fovea_dtype kTypes[] = {FOVEA_DTYPE_F32, FOVEA_DTYPE_F16,
                                     FOVEA_DTYPE_BF16, FOVEA_DTYPE_I8};

TEST(Schedule, fitsTheRegisters) {
  for (const TargetInfo &target : allTargets())
    for (fovea_dtype type : kTypes)
      for (int64_t dim : {1, 32, 64, 80, 128, 192, 256, 257, 512, 576}) {
        Schedule s = chooseSchedule(target, dim, dim, type);
        SCOPED_TRACE(target.name + " " + s.reason);
        unsigned perRow = s.prefill.lanes / target.lanes();
        EXPECT_EQ(s.prefill.lanes % target.lanes(), 0u);
        EXPECT_LE(s.prefill.regRows * perRow + perRow + 1,
                  target.vectorRegisters);
        EXPECT_EQ(s.prefill.rows % s.prefill.lanes, 0);
        EXPECT_EQ(unsigned(s.decode.lanes), target.lanes());
        EXPECT_LE(unsigned(s.decode.accumulators) + 2, target.vectorRegisters);
        EXPECT_GE(s.decode.maxRows, 1);
        EXPECT_GE(s.decode.keys, 1);
      }
}

TEST(Schedule, theWiderDimDecides) {
  const TargetInfo &v3 = allTargets()[0];
  Schedule a = chooseSchedule(v3, 576, 64, FOVEA_DTYPE_F32);
  Schedule b = chooseSchedule(v3, 64, 576, FOVEA_DTYPE_F32);
  EXPECT_EQ(a.reason, b.reason);
  EXPECT_NE(a.reason, chooseSchedule(v3, 64, 64, FOVEA_DTYPE_F32).reason);
}

TEST(Schedule, textIsStable) {
  Schedule s = chooseSchedule(allTargets()[0], 128, 128, FOVEA_DTYPE_F32);
  EXPECT_EQ(s.reason, "table row: avx2, f32, dims up to 128");
  PrefillSchedule prefill{6, 16, 96, 64, true};
  EXPECT_EQ(toString(prefill), "6x16 keys=96 rows=64 convert");
  DecodeSchedule decode{8, 8, 32, 8, true, false};
  EXPECT_EQ(toString(decode), "lanes=8 acc=8 keys=32 max_rows=8 prefetch=v");
  decode = {16, 8, 16, 8, true, true, true};
  EXPECT_EQ(toString(decode),
            "lanes=16 acc=8 keys=16 max_rows=8 prefetch=v+next+far");
  EXPECT_EQ(scheduleTableText(), scheduleTableText());
}
