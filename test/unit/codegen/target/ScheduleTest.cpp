// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every target, dim and storage type has a schedule within the register
// budget: one value too many spills, silently, and halves the speed.
#include "codegen/target/Schedule.h"

#include <gtest/gtest.h>

using namespace fovea;

static const fovea_dtype kTypes[] = {FOVEA_DTYPE_F32, FOVEA_DTYPE_F16,
                                     FOVEA_DTYPE_BF16, FOVEA_DTYPE_I8};

static Schedule chooseFor(const TargetInfo &target, int64_t keyDim,
                          int64_t valueDim, fovea_dtype type,
                          const char *mask = "") {
  StreamTraits traits;
  traits.keyDim = keyDim;
  traits.valueDim = valueDim;
  traits.dtype = type;
  traits.mask = mask;
  return chooseSchedule(target, traits);
}

TEST(Schedule, fitsTheRegisters) {
  for (const TargetInfo &target : allTargets())
    for (fovea_dtype type : kTypes)
      for (const char *mask : {"", "causal"})
        for (int64_t dim : {1, 32, 64, 80, 128, 192, 256, 257, 512, 576}) {
          Schedule s = chooseFor(target, dim, dim, type, mask);
          SCOPED_TRACE(target.name + " " + s.reason);
          EXPECT_EQ(whyNot(target, s.prefill), "");
          EXPECT_EQ(whyNot(target, s.decode), "");
          EXPECT_EQ(unsigned(s.decode.lanes), target.lanes());
          EXPECT_LE(unsigned(s.decode.accumulators) + 2,
                    target.vectorRegisters);
          EXPECT_GE(s.decode.maxRows, 1);
        }
}

TEST(Schedule, oneRegisterTooManyIsNamed) {
  const TargetInfo &v3 = allTargets()[0];
  EXPECT_EQ(whyNot(v3, PrefillSchedule{6, 16, 96, 64, false}), "");
  EXPECT_EQ(whyNot(v3, PrefillSchedule{7, 16, 96, 64, false}),
            "expected a tile within the 16 vector registers of x86-64-v3, got "
            "7x16, which takes 17");
  EXPECT_EQ(whyNot(v3, PrefillSchedule{6, 4, 96, 64, false}),
            "expected a tile of one row at least and 8 lanes times a power of "
            "two for x86-64-v3, got 6x4");
}

TEST(Schedule, blocksFollowChosenUnits) {
  for (const TargetInfo &target : allTargets()) {
    SCOPED_TRACE(target.name);
    EXPECT_EQ(fitToUnit(64, target, 0, true), 64);
    EXPECT_EQ(fitToUnit(64, target, 16, true), target.isGpu() ? 64 : 16);
    EXPECT_EQ(fitToUnit(64, target, 24, true), target.isGpu() ? 48 : 24);
    EXPECT_EQ(fitToUnit(64, target, 16, false), 16);
    EXPECT_EQ(fitToUnit(64, target, 100, true), 64);
  }
}

TEST(Schedule, theWiderDimDecides) {
  const TargetInfo &v3 = allTargets()[0];
  Schedule a = chooseFor(v3, 576, 64, FOVEA_DTYPE_F32);
  Schedule b = chooseFor(v3, 64, 576, FOVEA_DTYPE_F32);
  EXPECT_EQ(a.reason, b.reason);
  EXPECT_NE(a.reason, chooseFor(v3, 64, 64, FOVEA_DTYPE_F32).reason);
}

TEST(Schedule, masksTakeSmallerItems) {
  for (const TargetInfo &target : cpuTargets()) {
    for (fovea_dtype dtype : {FOVEA_DTYPE_F32, FOVEA_DTYPE_BF16}) {
      StreamTraits traits;
      traits.dtype = dtype;
      traits.keyDim = traits.valueDim = 64;
      PrefillSchedule dense = chooseSchedule(target, traits).prefill;
      int64_t keys = target.lanes() == 16 ? 128 : dense.keys;
      int panels = dtype == FOVEA_DTYPE_F32 ? 2 : 4;
      auto chosen = [&](int64_t reach, int64_t stripe) {
        traits.mask = "some";
        traits.reach = reach;
        traits.stripe = stripe;
        PrefillSchedule s = chooseSchedule(target, traits).prefill;
        EXPECT_EQ(whyNot(target, s), "");
        EXPECT_EQ(s.regRows, std::min(dense.regRows, traits.ordered ? 99 : 8));
        return s;
      };
      // No number, too large a number: some panels, more if keys are converted.
      for (int64_t reach : {int64_t(-1), int64_t(513)}) {
        EXPECT_EQ(chosen(reach, 0).rows, panels * dense.lanes);
        EXPECT_EQ(chosen(reach, 0).keys, keys);
      }
      // A query that sees few keys: one panel. A mask that is dear to ask, too.
      EXPECT_EQ(chosen(512, 0).rows, dense.lanes);
      traits.maskOps = 129;
      EXPECT_EQ(chosen(-1, 0).rows, int(target.lanes()));
      traits.maskOps = 128;
      EXPECT_EQ(chosen(-1, 0).rows, panels * dense.lanes);
      // Stripes: blocks about as long, many panels.
      EXPECT_EQ(chosen(-1, 4).keys, 16);
      EXPECT_EQ(chosen(-1, 17).keys, 32);
      EXPECT_EQ(chosen(-1, 500).keys, keys);
      EXPECT_EQ(chosen(-1, 17).rows, std::min(dense.rows, 8 * dense.lanes));
      // They move with the query: a panel has few, unless they are wide.
      traits.slanted = true;
      EXPECT_EQ(chosen(-1, 4).lanes, int(target.lanes()));
      EXPECT_EQ(chosen(-1, 4).rows, 8 * int(target.lanes()));
      EXPECT_EQ(chosen(-1, 500).lanes, dense.lanes);
      traits.slanted = false;
      // Groups of queries that see keys of their own, and fill a vector.
      int vector = int(target.lanes());
      for (int64_t group : {vector - 1, vector, dense.lanes - 1, dense.lanes}) {
        traits.queryGroup = group;
        bool fits = group >= vector && group < dense.lanes;
        EXPECT_EQ(chosen(-1, 0).lanes, fits ? vector : dense.lanes) << group;
      }
      traits.queryGroup = 0;
      // Tables with an entry for so many keys: as stripes.
      traits.keyGroup = 64;
      EXPECT_EQ(chosen(-1, 0).keys, 64);
      EXPECT_EQ(chosen(-1, 0).rows, std::min(dense.rows, 8 * dense.lanes));
      // They cut the blocks, unless blocks would be too short.
      traits.keyGroup = 24;
      EXPECT_EQ(chosen(-1, 0).keys, 24);
      traits.keyGroup = 4;
      EXPECT_EQ(chosen(-1, 0).keys, keys);
      EXPECT_EQ(chosen(-1, 0).rows, panels * dense.lanes);
      traits.keyGroup = 0;
      // Boxes of a walk stay whole.
      traits.ordered = true;
      EXPECT_EQ(toString(chosen(4, 4)), toString(dense));
    }
  }
}

TEST(Schedule, matrixUnitsTakePlainBF16) {
  StreamTraits traits;
  traits.dtype = FOVEA_DTYPE_BF16;
  traits.keyDim = traits.valueDim = 64;
  traits.plainBF16 = true;
  for (const TargetInfo &target : allTargets()) {
    SCOPED_TRACE(target.name);
    PrefillSchedule s = chooseSchedule(target, traits).prefill;
    EXPECT_EQ(s.matrix, target.name == "x86-64-v4+amx");
    EXPECT_EQ(whyNot(target, s), "");
    s = PrefillSchedule{32, 32, 96, 64, true, true};
    EXPECT_EQ(whyNot(target, s).empty(), target.matrix);
  }
  const TargetInfo &amx = cpuTargets().back();
  auto chosen = [&] { return chooseSchedule(amx, traits).prefill; };
  EXPECT_EQ(toString(chosen()), "32x32 keys=192 rows=256 matrix");
  traits.mask = "some";
  EXPECT_EQ(toString(chosen()), "32x32 keys=192 rows=256 matrix");
  traits.reach = 513; // a window
  EXPECT_EQ(toString(chosen()), "32x16 keys=64 rows=256 matrix");
  traits.reach = 512; // few keys
  EXPECT_EQ(toString(chosen()), "32x16 keys=64 rows=32 matrix");
  traits.stripe = 4;
  EXPECT_EQ(toString(chosen()), "32x32 keys=32 rows=64 matrix");
  traits.stripe = 0;
  traits.reach = -1;
  traits.maskOps = 129; // dear to ask
  EXPECT_EQ(toString(chosen()), "32x16 keys=192 rows=32 matrix");
  traits.maskOps = 0;
  traits.stripe = 4;
  EXPECT_EQ(chosen().keys, 32);
  traits.stripe = 0;
  traits.keyGroup = 4; // too short for blocks
  EXPECT_EQ(chosen().keys, 192);
  traits.keyGroup = 48;
  EXPECT_EQ(chosen().keys, 64);
  for (int64_t dim : {16, 80}) {
    traits.valueDim = dim;
    EXPECT_FALSE(chosen().matrix) << dim;
  }
  traits.valueDim = 64;
  traits.plainBF16 = false;
  EXPECT_FALSE(chosen().matrix);
}

TEST(Schedule, textIsStable) {
  Schedule s = chooseFor(allTargets()[0], 128, 128, FOVEA_DTYPE_F32);
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
