// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Nearest words by edit distance.
#include "dialects/kv/Words.h"

#include "llvm/ADT/StringExtras.h"

using namespace llvm;

StringRef fovea::nearestWord(StringRef word, ArrayRef<StringRef> legal) {
  StringRef best;
  // Half of the letters may be wrong, and always one: beyond that a suggestion
  // confuses more than it helps.
  unsigned bestDistance =
      std::max<unsigned>(1, static_cast<unsigned>(word.size() + 1) / 2) + 1;
  for (StringRef candidate : legal) {
    unsigned distance = word.edit_distance(candidate, true, bestDistance);
    if (distance < bestDistance) {
      bestDistance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string fovea::unknownWord(StringRef kind, StringRef word,
                               ArrayRef<StringRef> legal, StringRef plural) {
  std::string text = ("unknown " + kind + " '" + word + "'").str();
  StringRef nearest = nearestWord(word, legal);
  text += nearest.empty() ? "; " : ": did you mean '" + nearest.str() + "'? ";
  text += plural.empty() ? (kind + "s").str() : plural.str();
  text += legal.empty() ? " are: none" : " are: " + join(legal, ", ");
  return text;
}
