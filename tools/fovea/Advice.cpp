// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Advice about whole calls.
#include "tools/fovea/Advice.h"

#include "llvm/Support/FormatVariadic.h"

#include <algorithm>

namespace fovea::cli {

std::vector<Advice> advise(const Session &session, const Work &work,
                           const Prediction &p) {
  std::vector<Advice> advice;
  for (const StreamWork &stream : work.streams) {
    int64_t run = stream.tilesPartial + stream.tilesFull;
    if (!stream.analysed && run)
      advice.push_back({"analysis", stream.name,
                        "the mask cannot be analysed: every tile runs, and "
                        "with mask code; the remark says which op is why",
                        llvm::json::Object{{"tiles", run}}});
    adviseTiles(stream, cyclesPerMs(session, p.ceilings), vectorLanes(session),
                advice);
  }
  if (p.memoryMs > 1.5 * p.computeMs)
    advice.push_back(
        {"memory", "",
         llvm::formatv("bound by memory ({0:f3} ms of reads, {1:f3} ms of "
                       "arithmetic): fewer bytes per key (bf16, int8) or more "
                       "query rows per key head",
                       p.memoryMs, p.computeMs)
             .str(),
         llvm::json::Object{{"memory_ms", p.memoryMs},
                            {"compute_ms", p.computeMs}}});
  int64_t items = 0;
  for (const PhaseWork &phase : work.phases)
    items = std::max(items, phase.items);
  if (items < session.threads())
    advice.push_back(
        {"threads", "",
         llvm::formatv("{0} item{1} for {2} threads: the others "
                       "are idle",
                       items, items == 1 ? "" : "s", session.threads())
             .str(),
         llvm::json::Object{{"items", items}, {"threads", session.threads()}}});
  return advice;
}

} // namespace fovea::cli
