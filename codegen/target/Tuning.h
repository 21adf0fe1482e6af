// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tuning tables: schedules that were measured on one machine. `fovea tune`
// writes them, the compiler reads them. The text is versioned; lookups of
// compiled bundles hash it and need no reader.
//
//   fovea-tuning 1
//   cpu 'AMD EPYC, family 26, model 2'
//   prefill target=x86-64-v4 dtype=f32 dims=64x64 group=1 over=tensors
//       mask='causal' tile=8x32 keys=32 rows=64 convert=no note='1.2 x'
//   decode target=x86-64-v4 dtype=bf16 dims=128x128 group=4 over=cache mask=''
//       keys=32 prefetch=v+next
//   end 2
//
// An entry is one line (two here for the margin); fields come in any order,
// `note` may be missing. What is between # and the end of a line is a comment.
#ifndef FOVEA_CODEGEN_TARGET_TUNING_H
#define FOVEA_CODEGEN_TARGET_TUNING_H

#include "codegen/target/Schedule.h"

#include "llvm/ADT/StringRef.h"

#include <optional>
#include <string>
#include <vector>

namespace fovea {

/// The version that is written, and the only one that is read.
inline constexpr unsigned kTuningVersion = 1;

enum class StreamKind { Prefill, Decode };

/// The fields by which an entry is found: "prefill target=.. .. mask='..'".
std::string tuningKey(llvm::StringRef target, StreamKind kind,
                      const StreamTraits &traits);

struct TuningEntry {
  StreamKind kind = StreamKind::Prefill;
  std::string target;
  StreamTraits traits;
  PrefillSchedule prefill{};
  DecodeSchedule decode{}; ///< of which keys and prefetches are tuned
  std::string note;        ///< for people
  int line = 0;            ///< in the text that was read

  std::string key() const { return tuningKey(target, kind, traits); }
};

struct TuningTable {
  std::string cpu; ///< on which it was measured
  int cpuLine = 0;
  std::vector<TuningEntry> entries; ///< no two of one key

  const TuningEntry *find(const std::string &key) const;
  /// Puts it in the place of the entry with its key, or adds it.
  void set(TuningEntry entry);
  void remove(const std::string &key);
  /// Canonical: sorted by key.
  std::string text() const;
};

/// What is wrong with a text, and where; line and column count from 1.
struct TuningFault {
  int line = 0, column = 0;
  std::string text;
};

/// Reads untrusted text.
std::optional<TuningTable> parseTuningTable(llvm::StringRef text,
                                            TuningFault &fault);

/// The fault of a table of which none of `targets` finds an entry. A table
/// without entries has none.
std::optional<TuningFault>
whyNotFor(const TuningTable &table, llvm::ArrayRef<const TargetInfo *> targets);

/// The row for a stream, with what `table`, which may be null, says instead.
Schedule chooseSchedule(const TargetInfo &target, const StreamTraits &traits,
                        const TuningTable *table);

} // namespace fovea

#endif // FOVEA_CODEGEN_TARGET_TUNING_H
