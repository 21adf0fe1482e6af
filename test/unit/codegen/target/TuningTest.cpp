// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tuning tables: what is written is read back, what is damaged is refused at
// its place, and candidates are schedules that their target can run.
#include "codegen/target/Candidates.h"

#include "llvm/ADT/StringExtras.h"

#include <gtest/gtest.h>

#include <random>

using namespace fovea;

static const TargetInfo &v3() { return allTargets()[0]; }
static const TargetInfo &v4() { return allTargets()[1]; }

static TuningEntry prefillEntry() {
  TuningEntry entry;
  entry.target = "x86-64-v4";
  entry.traits.keyDim = entry.traits.valueDim = 64;
  entry.traits.mask = "causal and window(64)";
  entry.prefill = {8, 32, 64, 128, false};
  entry.note = "1.2 x";
  return entry;
}

static TuningEntry decodeEntry() {
  TuningEntry entry;
  entry.kind = StreamKind::Decode;
  entry.target = "x86-64-v3";
  entry.traits = {192, 128, FOVEA_DTYPE_BF16, 4, true, ""};
  entry.decode.keys = 64;
  entry.decode.prefetchValue = true;
  entry.decode.prefetchNext = false;
  return entry;
}

static std::string goodText() {
  TuningTable table;
  table.cpu = "Some CPU, family 1";
  table.set(prefillEntry());
  table.set(decodeEntry());
  return table.text();
}

static const char kGood[] =
    "fovea-tuning 1\n"
    "cpu 'Some CPU, family 1'\n"
    "decode target=x86-64-v3 dtype=bf16 dims=192x128 group=4 over=cache "
    "mask='' keys=64 prefetch=v\n"
    "prefill target=x86-64-v4 dtype=f32 dims=64x64 group=1 over=tensors "
    "mask='causal and window(64)' tile=8x32 keys=64 rows=128 convert=no "
    "note='1.2 x'\n"
    "end 2\n";

TEST(Tuning, textIsCanonical) {
  EXPECT_EQ(goodText(), kGood);
  TuningFault fault;
  auto table = parseTuningTable(kGood, fault);
  ASSERT_TRUE(table) << fault.text;
  EXPECT_EQ(table->cpu, "Some CPU, family 1");
  EXPECT_EQ(table->text(), kGood);
  // Comments, empty lines and the order of fields do not matter.
  std::string loose = "# a comment\n\nfovea-tuning 1 # version\r\ncpu 'c'\n"
                      "decode prefetch=none keys=8 mask='not causal' "
                      "over=tensors group=2 dims=1x576 dtype=i8 "
                      "target=x86-64-v3\nend 1";
  table = parseTuningTable(loose, fault);
  ASSERT_TRUE(table) << fault.text;
  EXPECT_EQ(table->entries[0].traits.mask, "not causal");
  EXPECT_EQ(table->entries[0].line, 5);
  EXPECT_FALSE(table->entries[0].decode.prefetchValue);
}

TEST(Tuning, anEntryReplacesTheRow) {
  TuningFault fault;
  auto table = parseTuningTable(kGood, fault);
  ASSERT_TRUE(table);
  StreamTraits traits = prefillEntry().traits;
  Schedule plain = chooseSchedule(v4(), traits, nullptr);
  EXPECT_EQ(plain.prefillTuned + plain.decodeTuned, "");
  Schedule tuned = chooseSchedule(v4(), traits, &*table);
  EXPECT_EQ(toString(tuned.prefill), "8x32 keys=64 rows=128");
  EXPECT_EQ(tuned.prefillTuned, prefillEntry().key());
  EXPECT_EQ(toString(tuned.decode), toString(plain.decode));
  EXPECT_EQ(tuned.decodeTuned, "");
  Schedule decode = chooseSchedule(v3(), decodeEntry().traits, &*table);
  EXPECT_EQ(toString(decode.decode),
            "lanes=8 acc=8 keys=64 max_rows=8 prefetch=v");
  EXPECT_EQ(decode.decodeTuned, decodeEntry().key());
  // Every field of the key counts.
  auto found = [&](const TargetInfo &target, const StreamTraits &other) {
    Schedule s = chooseSchedule(target, other, &*table);
    return !s.prefillTuned.empty() || !s.decodeTuned.empty();
  };
  EXPECT_FALSE(found(v3(), traits));
  for (int i = 0; i < 6; ++i) {
    StreamTraits other = traits;
    i == 0   ? void(other.keyDim = 65)
    : i == 1 ? void(other.valueDim = 65)
    : i == 2 ? void(other.dtype = FOVEA_DTYPE_F16)
    : i == 3 ? void(other.group = 2)
    : i == 4 ? void(other.cached = true)
             : void(other.mask = "causal");
    EXPECT_FALSE(found(v4(), other)) << i;
  }
}

TEST(Tuning, mergingReplacesByKey) {
  TuningFault fault;
  auto table = parseTuningTable(kGood, fault);
  ASSERT_TRUE(table);
  TuningEntry entry = prefillEntry();
  entry.prefill.keys = 32;
  table->set(entry);
  EXPECT_EQ(table->entries.size(), 2u);
  EXPECT_EQ(table->find(entry.key())->prefill.keys, 32);
  entry.traits.mask = "causal";
  table->set(entry);
  EXPECT_EQ(table->entries.size(), 3u);
  table->remove(entry.key());
  EXPECT_EQ(table->entries.size(), 2u);
}

static std::string replaced(const std::string &from, const std::string &to) {
  std::string text = kGood;
  size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Tuning, faultsAreAtTheirPlace) {
  struct Case {
    std::string text;
    int line, column;
    const char *what;
  };
  const Case cases[] = {
      {"", 1, 1, "expected a tuning table, got an empty text"},
      {"# only\n", 2, 1, "expected a tuning table, got an empty text"},
      {"module {\n", 1, 1,
       "expected 'fovea-tuning 1' to be the first line, got 'module'"},
      {replaced("tuning 1", "tuning 2"), 1, 14,
       "expected a tuning table of version 1, got version '2' of a newer "
       "fovea"},
      {replaced("tuning 1", "tuning 0"), 1, 14,
       "expected a tuning table of version 1, got version '0'"},
      {replaced("tuning 1", "tuning x"), 1, 14,
       "expected a tuning table of version 1, got version 'x'"},
      {replaced("cpu 'Some CPU, family 1'\n", ""), 2, 1,
       "expected the line cpu '..' behind the version, got 'decode'"},
      {replaced("'Some CPU, family 1'", "Some"), 2, 5,
       "expected the processor in single quotes, got Some"},
      {replaced("window(64)'", "window(64)"), 4, 145,
       "expected a closing ' in this line"},
      {replaced("decode target", "decoder target"), 3, 1,
       "expected prefill, decode or end, got 'decoder'"},
      {replaced("x86-64-v3", "sm_70"), 3, 15,
       "expected a target that this compiler knows, got 'sm_70'"},
      {replaced("bf16", "f64"), 3, 31,
       "expected dtype f32, f16, bf16 or i8, got 'f64'"},
      {replaced("192x128", "577x128"), 3, 41,
       "expected the key dim in [1, 576], got '577'"},
      {replaced("192x128", "192"), 3, 41,
       "expected the value dim in [1, 576], got ''"},
      {replaced("group=4", "group=0"), 3, 55,
       "expected group in [1, 1048576], got '0'"},
      {replaced("over=cache", "over=disk"), 3, 62,
       "expected over=tensors or cache, got 'disk'"},
      {replaced("mask=''", "mask=none"), 3, 73,
       "expected a mask in single quotes, got none"},
      {replaced("note='1.2 x'", "note=x"), 4, 140,
       "expected a note in single quotes, got x"},
      {replaced("keys=64", "keys=-1"), 3, 81,
       "expected keys in [1, 1048576], got '-1'"},
      {replaced("keys=64", "keys=2000"), 3, 1,
       "expected keys in [1, 1024], got 2000"},
      {replaced("=v\n", "=w\n"), 3, 93,
       "expected prefetch=none, or v, next and far joined by +, got 'w'"},
      {replaced("=v\n", "=next+v\n"), 3, 93,
       "expected prefetch=none, or v, next and far joined by +, got 'next+v'"},
      {replaced("tile=8x32", "tile=8"), 4, 102,
       "expected a tile ROWSxLANES, got '8'"},
      {replaced("tile=8x32", "tile=16x32"), 4, 1,
       "expected a tile within the 32 vector registers of x86-64-v4, got "
       "16x32, which takes 35"},
      {replaced("tile=8x32", "tile=8x24"), 4, 1,
       "expected a tile of one row at least and 16 lanes times a power of two "
       "for x86-64-v4, got 8x24"},
      {replaced("rows=128", "rows=100"), 4, 1,
       "expected rows in [1, 1024] that are a multiple of the tile's 32 lanes, "
       "got 100"},
      {replaced("convert=no", "convert=maybe"), 4, 132,
       "expected convert=yes, no or matrix, got 'maybe'"},
      {replaced(" convert=no", ""), 4, 1,
       "expected a prefill entry to have the field convert, got none"},
      {replaced("convert=no", "convert=no speed=9"), 4, 135,
       "expected a field of a prefill entry, got 'speed'"},
      {replaced("keys=64", "keys=64 keys=64"), 3, 84,
       "expected one field keys, got another"},
      {replaced("end 2", "decode target=x86-64-v3 dtype=bf16 dims=192x128 "
                         "group=4 over=cache mask='' keys=8 prefetch=v\nend 3"),
       5, 1, "expected one entry of this key, got another in line 3"},
      {replaced("end 2", "prefill target=x86-64-v4+amx dtype=f32 dims=64x64 "
                         "group=1 over=tensors mask='' tile=32x32 keys=64 "
                         "rows=64 convert=matrix\nend 3"),
       5, 1,
       "expected convert=matrix for bf16 over tensors in dims that are "
       "multiples of 32, got another stream"},
      {replaced("end 2", "end 3"), 5, 1,
       "expected end to count the entries, got '3' and 2"},
      {replaced("end 2\n", ""), 5, 1,
       "expected the line end that counts the entries, got the end of the "
       "text"},
      {replaced("end 2\n", "end 2\nend 2\n"), 6, 1,
       "expected nothing behind end, got 'end'"},
      {replaced("keys=64", std::string("keys=6\x01", 7)), 3, 82,
       "expected text, got the byte 0x01"},
      {replaced("1.2 x", std::string(70000, 'x')), 4, 1,
       "expected a line of at most 65536 bytes, got 70141"},
  };
  for (const Case &c : cases) {
    TuningFault fault;
    EXPECT_FALSE(parseTuningTable(c.text, fault)) << c.what;
    EXPECT_EQ(fault.text, c.what);
    EXPECT_EQ(fault.line, c.line) << c.what;
    EXPECT_EQ(fault.column, c.column) << c.what;
  }
}

TEST(Tuning, tablesOfOtherTargetsAreNamed) {
  TuningFault fault;
  std::string text = kGood;
  text.erase(text.find("decode"), text.find("prefill") - text.find("decode"));
  text.replace(text.find("end 2"), 5, "end 1");
  auto table = parseTuningTable(text, fault);
  ASSERT_TRUE(table) << fault.text;
  EXPECT_FALSE(whyNotFor(*table, {&v4()}));
  EXPECT_FALSE(whyNotFor(*table, {&v3(), &v4()}));
  auto why = whyNotFor(*table, {&v3()});
  ASSERT_TRUE(why);
  EXPECT_EQ(why->text,
            "expected an entry for x86-64-v3, got entries for x86-64-v4 only");
  EXPECT_EQ(why->line, 3);
  EXPECT_FALSE(whyNotFor(TuningTable(), {&v3()}));
}

/// Damage never gets past the reader: a text is refused with a place and a
/// reason, or what was read is a table that reads back the same.
TEST(Tuning, damageIsRefusedOrHarmless) {
  std::mt19937 random(20261128);
  std::string good = goodText();
  unsigned refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = good;
    for (unsigned n = random() % 3 + 1; n; --n) {
      size_t at = random() % text.size();
      switch (random() % 4) {
      case 0:
        text[at] = char(random());
        break;
      case 1:
        text.erase(at, random() % 9);
        break;
      case 2:
        text.insert(at, good.substr(random() % good.size(), random() % 20));
        break;
      case 3:
        text.resize(at);
        break;
      }
      if (text.empty())
        break;
    }
    TuningFault fault;
    auto table = parseTuningTable(text, fault);
    if (!table) {
      ++refused;
      EXPECT_FALSE(fault.text.empty());
      EXPECT_GE(fault.line, 1);
      EXPECT_GE(fault.column, 1);
      continue;
    }
    EXPECT_EQ(fault.text, "");
    std::string canonical = table->text();
    auto again = parseTuningTable(canonical, fault);
    ASSERT_TRUE(again) << fault.text << "\n" << canonical;
    EXPECT_EQ(again->text(), canonical);
  }
  // The seeds hit: most damage is seen, some (in texts and notes) is harmless.
  EXPECT_GT(refused, 10000u);
  EXPECT_LT(refused, 20000u);
}

TEST(Tuning, candidatesFitTheirTarget) {
  for (const TargetInfo &target : allTargets())
    for (StreamKind kind : {StreamKind::Prefill, StreamKind::Decode}) {
      TuningEntry from;
      from.kind = kind;
      from.target = target.name;
      from.traits.keyDim = from.traits.valueDim = 64;
      Schedule row = chooseSchedule(target, from.traits);
      from.prefill = row.prefill;
      from.decode = row.decode;
      for (TuningAxis axis : tuningAxes(kind)) {
        std::vector<TuningEntry> all = tuningCandidates(target, from, axis);
        EXPECT_FALSE(all.empty()) << toString(axis).str();
        for (const TuningEntry &entry : all) {
          EXPECT_EQ(entry.key(), from.key());
          bool prefill = kind == StreamKind::Prefill;
          EXPECT_EQ(prefill ? whyNot(target, entry.prefill)
                            : whyNot(target, entry.decode),
                    "");
          EXPECT_FALSE(prefill
                           ? toString(entry.prefill) == toString(from.prefill)
                           : toString(entry.decode) == toString(from.decode));
        }
      }
      EXPECT_LT(tuningCandidates(target, from, TuningAxis::Keys).size(), 10u);
    }
}
