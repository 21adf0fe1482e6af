// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The reasons of a schedule.
#include "tools/fovea/Why.h"

#include "codegen/bundle/Manifest.h"
#include "codegen/target/Schedule.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/FormatVariadic.h"

#include <algorithm>

namespace fovea::cli {

namespace {
struct Variant {
  std::string name;
  int64_t maxRows;
};
} // namespace

/// All variants of a stage, in the order in which the plan asks them.
static std::vector<Variant> variantsOf(const Session &session,
                                       const std::string &stage) {
  const void *stages = nullptr, *variants = nullptr;
  size_t size = 0;
  std::vector<Variant> result;
  if (fovea_bundle_section_get(session.bundle(), FOVEA_SECTION_STAGES, 0,
                               &stages, &size) != FOVEA_OK ||
      fovea_bundle_section_get(session.bundle(), FOVEA_SECTION_VARIANTS, 0,
                               &variants, &size) != FOVEA_OK)
    return result;
  const fovea_bundle_kernel *kernel = fovea_kernel_record(session.kernel());
  for (uint32_t i = 0; i < kernel->stages.count; ++i) {
    const auto &record = static_cast<const fovea_bundle_stage *>(
        stages)[kernel->stages.first + i];
    const char *name = fovea_bundle_string(session.bundle(), record.name);
    if (!name || name != stage)
      continue;
    for (uint32_t v = 0; v < record.variants.count; ++v) {
      const auto &variant = static_cast<const fovea_bundle_variant *>(
          variants)[record.variants.first + v];
      const char *text = fovea_bundle_string(session.bundle(), variant.name);
      result.push_back({text ? text : "", variant.max_rows});
    }
  }
  return result;
}

/// Which variant the rows of the sequences chose, and which they did not.
static std::string whyVariants(const Session &session,
                               const StreamWork &stream) {
  const fovea_mask_info &mask = stream.mask;
  int64_t least = INT64_MAX, most = 0, group = std::max(mask.group, 1);
  for (int64_t b = 0; b < mask.batch; ++b) {
    int64_t rows = queriesOf(mask, b) * group;
    least = std::min(least, rows);
    most = std::max(most, rows);
  }
  std::string text;
  for (const PartWork &part : stream.parts)
    text += (text.empty() ? "" : " and ") + part.variant;
  if (text.empty() || !mask.batch)
    return "";
  text += llvm::formatv(" for {0} packed rows (queries x {1} query head{2}) of "
                        "a sequence",
                        least == most ? std::to_string(most)
                                      : std::to_string(least) + " to " +
                                            std::to_string(most),
                        group, group > 1 ? "s" : "")
              .str();
  std::string rejected;
  for (const Variant &v : variantsOf(session, stream.name)) {
    bool used = std::any_of(
        stream.parts.begin(), stream.parts.end(),
        [&](const PartWork &part) { return part.variant == v.name; });
    if (used)
      continue;
    rejected += rejected.empty() ? "; rejected: " : ", ";
    if (v.maxRows < most)
      rejected += llvm::formatv("{0} (at most {1} row{2})", v.name, v.maxRows,
                                v.maxRows > 1 ? "s" : "")
                      .str();
    else
      rejected += v.name + " (one for fewer rows fits first)";
  }
  return text + rejected;
}

static fovea_dtype storageOf(const std::string &format) {
  return format == "f32"    ? FOVEA_DTYPE_F32
         : format == "f16"  ? FOVEA_DTYPE_F16
         : format == "bf16" ? FOVEA_DTYPE_BF16
                            : FOVEA_DTYPE_I8;
}

/// Which entries of a tuning table chose schedules of parts that run.
static std::vector<std::string> whyTuned(const StreamWork &stream) {
  std::vector<std::string> reasons;
  for (const PartWork &part : stream.parts)
    if (std::string entry = tunedBy(part.schedule); !entry.empty())
      reasons.push_back(part.variant +
                        " tuned: its tile is the tuning table's, "
                        "entry " +
                        entry);
  return reasons;
}

/// Why a part runs on the matrix unit without a tuning table; "" if none does.
static std::string whyMatrix(const StreamWork &stream) {
  for (const PartWork &part : stream.parts)
    if (part.matrix && tunedBy(part.schedule).empty())
      return "default: bf16 in dims of whole steps, on the matrix unit";
  return "";
}

/// Which row of the table gave the tile, and which rows of it did not.
static std::string whyTile(const Session &session, const StreamWork &stream) {
  const TargetInfo *target = nullptr;
  for (const TargetInfo &info : allTargets())
    if (info.name == session.target())
      target = &info;
  if (!target)
    return "";
  bool tuned = !stream.parts.empty() &&
               llvm::all_of(stream.parts, [](const PartWork &part) {
                 return !tunedBy(part.schedule).empty();
               });
  if (tuned)
    return "";
  int64_t dim = std::max(stream.mask.key_dim, stream.mask.value_dim);
  StreamTraits traits;
  traits.keyDim = stream.mask.key_dim;
  traits.valueDim = stream.mask.value_dim;
  traits.dtype = storageOf(stream.facts.keyFormat);
  traits.mask = stream.maskText;
  Schedule chosen = chooseSchedule(*target, traits);
  llvm::StringRef row = chosen.reason;
  row.consume_front("table row: ");
  std::string text =
      llvm::formatv("default: tile of the schedule table's row \"{0}\" for dim "
                    "{1}, keys and values stored as {2}",
                    row, dim, stream.facts.keyFormat)
          .str();
  // Rows of the same instruction set and storage; the text is "isa, storage,
  // dims up to N: ...".
  llvm::StringRef family = row.rsplit(", ").first;
  std::string table = scheduleTableText();
  llvm::SmallVector<llvm::StringRef> lines;
  llvm::StringRef(table).split(lines, '\n', -1, false);
  std::string rejected;
  for (llvm::StringRef line : lines) {
    auto [name, numbers] = line.split(": ");
    if (!name.starts_with(family) || name == row)
      continue;
    int64_t most = 0;
    name.rsplit(' ').second.getAsInteger(10, most);
    rejected += rejected.empty() ? "; rejected: " : ", ";
    rejected += llvm::formatv("dims up to {0} ({1})", most,
                              most < dim ? "too small"
                                         : "a row for smaller dims fits first")
                    .str();
  }
  text += rejected;
  if (std::string matrix = whyMatrix(stream); !matrix.empty())
    text = matrix;
  if (stream.chosen())
    text += llvm::formatv("; rows and keys cut so that an item lies in one "
                          "query block ({0}) and a block of keys in one unit "
                          "({1})",
                          stream.facts.queryBlock, stream.facts.unit)
                .str();
  return text;
}

std::vector<std::string> whyScheduled(const Session &session,
                                      const StreamWork &stream) {
  std::vector<std::string> reasons;
  if (std::string variants = whyVariants(session, stream); !variants.empty())
    reasons.push_back(variants);
  for (std::string &tuned : whyTuned(stream))
    reasons.push_back(std::move(tuned));
  if (std::string tile = whyTile(session, stream); !tile.empty())
    reasons.push_back(tile);
  if (stream.shared)
    reasons.push_back("keys that several sequences share are read once, for "
                      "the rows of all of them together");
  const fovea_mask_info &mask = stream.mask;
  if (mask.bounds && mask.kv_group > 1)
    reasons.push_back(
        mask.group == 1
            ? llvm::formatv("heads are not packed: mask, list or levels differ "
                            "by query head ({0} share keys)",
                            mask.kv_group)
                  .str()
            : llvm::formatv("{0} query heads of one key head are packed: the "
                            "mask is the same for them",
                            mask.group)
                  .str());
  return reasons;
}

} // namespace fovea::cli
