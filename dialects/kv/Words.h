// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Messages about words that do not exist: the nearest one and the legal list.
// For the parsers of all dialects, the spec loader and the driver.
#ifndef FOVEA_DIALECTS_KV_WORDS_H
#define FOVEA_DIALECTS_KV_WORDS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace fovea {

/// The word of `legal` nearest to `word`, or an empty string when none is near
/// enough to be what was meant.
llvm::StringRef nearestWord(llvm::StringRef word,
                            llvm::ArrayRef<llvm::StringRef> legal);

/// "unknown mask 'widow': did you mean 'window'? masks are: causal, window".
/// `plural` is for the rare kind whose plural is not `kind` + s.
std::string unknownWord(llvm::StringRef kind, llvm::StringRef word,
                        llvm::ArrayRef<llvm::StringRef> legal,
                        llvm::StringRef plural = "");

} // namespace fovea

#endif // FOVEA_DIALECTS_KV_WORDS_H
