// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What `fovea compare` prints, as text and as JSON.
#ifndef FOVEA_TOOLS_FOVEA_COMPARE_COMPAREREPORT_H
#define FOVEA_TOOLS_FOVEA_COMPARE_COMPAREREPORT_H

#include "tools/fovea/compare/Comparison.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

namespace fovea::cli {

/// The whole report of one comparison.
void printText(llvm::raw_ostream &os, const Comparison &c, const Side &mine,
               const Side &dense);
llvm::json::Object toJson(const Comparison &c, const Side &mine,
                          const Side &dense);

/// The numbers of a row of a sweep: head of the table, and one row.
void printSweepHead(llvm::raw_ostream &os, const std::string &name, bool timed);
void printSweepRow(llvm::raw_ostream &os, const std::string &value,
                   const Comparison &c);
llvm::json::Object summary(const Comparison &c);

/// Names of inputs that were made up, each once.
std::vector<std::string> randomInputs(const Side &mine, const Side &dense);

llvm::json::Object toJson(const DroppedMap &map);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_COMPARE_COMPAREREPORT_H
