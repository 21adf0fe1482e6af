// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads, writes and asks tuning tables.
#include "codegen/target/Tuning.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <algorithm>

using namespace llvm;

namespace fovea {

//===----------------------------------------------------------------------===//
// Words
//===----------------------------------------------------------------------===//

namespace {
struct DtypeWord {
  fovea_dtype dtype;
  StringLiteral word;
};
} // namespace

/// The element types that keys are stored in.
static constexpr DtypeWord kDtypes[] = {{FOVEA_DTYPE_F32, "f32"},
                                        {FOVEA_DTYPE_F16, "f16"},
                                        {FOVEA_DTYPE_BF16, "bf16"},
                                        {FOVEA_DTYPE_I8, "i8"}};

static StringRef wordOf(fovea_dtype dtype) {
  for (const DtypeWord &known : kDtypes)
    if (known.dtype == dtype)
      return known.word;
  llvm_unreachable("keys are stored in none of the table's types");
}

std::string tuningKey(StringRef target, StreamKind kind,
                      const StreamTraits &traits) {
  return formatv("{0} target={1} dtype={2} dims={3}x{4} group={5} over={6} "
                 "mask='{7}'",
                 kind == StreamKind::Prefill ? "prefill" : "decode", target,
                 wordOf(traits.dtype), traits.keyDim, traits.valueDim,
                 traits.group, traits.cached ? "cache" : "tensors", traits.mask)
      .str();
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

const TuningEntry *TuningTable::find(const std::string &key) const {
  auto found = llvm::find_if(
      entries, [&](const TuningEntry &entry) { return entry.key() == key; });
  return found == entries.end() ? nullptr : &*found;
}

void TuningTable::remove(const std::string &key) {
  llvm::erase_if(entries,
                 [&](const TuningEntry &entry) { return entry.key() == key; });
}

void TuningTable::set(TuningEntry entry) {
  remove(entry.key());
  entries.push_back(std::move(entry));
}

static std::string lineOf(const TuningEntry &entry) {
  std::string text = entry.key();
  if (entry.kind == StreamKind::Prefill) {
    const PrefillSchedule &s = entry.prefill;
    text += formatv(" tile={0}x{1} keys={2} rows={3} convert={4}", s.regRows,
                    s.lanes, s.keys, s.rows,
                    s.matrix    ? "matrix"
                    : s.convert ? "yes"
                                : "no");
  } else {
    text += formatv(" keys={0} prefetch={1}", entry.decode.keys,
                    prefetchText(entry.decode));
  }
  if (!entry.note.empty())
    text += " note='" + entry.note + "'";
  return text + "\n";
}

std::string TuningTable::text() const {
  std::vector<std::string> lines;
  for (const TuningEntry &entry : entries)
    lines.push_back(lineOf(entry));
  llvm::sort(lines);
  return formatv("fovea-tuning {0}\ncpu '{1}'\n{2}end {3}\n", kTuningVersion,
                 cpu, join(lines, ""), lines.size())
      .str();
}

std::optional<TuningFault> whyNotFor(const TuningTable &table,
                                     ArrayRef<const TargetInfo *> targets) {
  std::string wanted, got;
  auto add = [](std::string &list, const std::string &name) {
    list += (list.empty() ? "" : ", ") + name;
  };
  for (const TargetInfo *target : targets) {
    add(wanted, target->name);
    if (any_of(table.entries, [&](const TuningEntry &entry) {
          return entry.target == target->name;
        }))
      return std::nullopt;
  }
  if (table.entries.empty())
    return std::nullopt;
  std::vector<std::string> names;
  for (const TuningEntry &entry : table.entries)
    if (!is_contained(names, entry.target))
      names.push_back(entry.target);
  for (const std::string &name : names)
    add(got, name);
  return TuningFault{table.entries.front().line, 1,
                     "expected an entry for " + wanted + ", got entries for " +
                         got + " only"};
}

Schedule chooseSchedule(const TargetInfo &target, const StreamTraits &traits,
                        const TuningTable *table) {
  Schedule chosen = chooseSchedule(target, traits);
  if (!table)
    return chosen;
  std::string prefill = tuningKey(target.name, StreamKind::Prefill, traits);
  const TuningEntry *entry = table->find(prefill);
  // The key does not say what type the queries have: some of its streams may
  // not fit the matrix unit.
  if (entry && (!entry->prefill.matrix || fitsMatrix(target, traits))) {
    chosen.prefill = entry->prefill;
    chosen.prefillTuned = prefill;
  }
  std::string decode = tuningKey(target.name, StreamKind::Decode, traits);
  if (const TuningEntry *tuned = table->find(decode)) {
    chosen.decode.keys = tuned->decode.keys;
    chosen.decode.prefetchValue = tuned->decode.prefetchValue;
    chosen.decode.prefetchNext = tuned->decode.prefetchNext;
    chosen.decode.prefetchFar = tuned->decode.prefetchFar;
    chosen.decodeTuned = decode;
  }
  return chosen;
}

//===----------------------------------------------------------------------===//
// The reader
//===----------------------------------------------------------------------===//

namespace {

/// A word of a line, or a text in quotes behind `name=`.
struct Word {
  StringRef text;
  int column;
};

class Reader {
public:
  Reader(StringRef text, TuningFault &fault) : rest(text), fault(fault) {}
  std::optional<TuningTable> read();

private:
  bool nextLine();
  bool splitWords(StringRef text);
  bool readHeader();
  bool readCpu();
  bool readEntry();
  bool readEnd();
  bool readField(TuningEntry &entry, StringRef name, StringRef value,
                 int column);
  bool readTile(TuningEntry &entry, StringRef value, int column);
  bool number(StringRef value, int64_t most, int64_t &into, int column,
              const Twine &what);
  bool quoted(StringRef value, std::string &into, int column,
              const Twine &what);
  bool fail(int column, const Twine &text) {
    fault = {line, column, text.str()};
    return false;
  }

  StringRef rest;
  TuningFault &fault;
  int line = 0;
  SmallVector<Word> words;
  TuningTable table;
  bool headed = false, ended = false;
};

} // namespace

/// Longer lines than any mask needs are no table.
static constexpr size_t kMostLine = 1 << 16;

bool Reader::splitWords(StringRef text) {
  words.clear();
  for (size_t at = 0; at < text.size();) {
    if (StringRef(" \t\r").contains(text[at])) {
      ++at;
      continue;
    }
    if (text[at] == '#')
      break;
    size_t first = at;
    while (at < text.size() && !StringRef(" \t\r#").contains(text[at])) {
      if (text[at] == '\'') {
        size_t close = text.find('\'', at + 1);
        if (close == StringRef::npos)
          return fail(int(at) + 1, "expected a closing ' in this line");
        at = close;
      }
      ++at;
    }
    words.push_back({text.slice(first, at), int(first) + 1});
  }
  return true;
}

/// The next line that has words; false at the end, or on a fault.
bool Reader::nextLine() {
  while (!rest.empty()) {
    auto [text, behind] = rest.split('\n');
    rest = behind;
    ++line;
    if (text.size() > kMostLine)
      return fail(1, formatv("expected a line of at most {0} bytes, got {1}",
                             kMostLine, text.size()));
    for (auto [at, byte] : enumerate(text))
      if (!isPrint(byte) && byte != '\t' && byte != '\r' &&
          static_cast<unsigned char>(byte) < 0x80)
        return fail(int(at) + 1,
                    formatv("expected text, got the byte {0:x2}",
                            unsigned(static_cast<unsigned char>(byte))));
    if (!splitWords(text))
      return false;
    if (!words.empty())
      return true;
  }
  return false;
}

bool Reader::number(StringRef value, int64_t most, int64_t &into, int column,
                    const Twine &what) {
  if (value.getAsInteger(10, into) || into < 1 || into > most)
    return fail(column, formatv("expected {0} in [1, {1}], got '{2}'",
                                what.str(), most, value));
  return true;
}

bool Reader::quoted(StringRef value, std::string &into, int column,
                    const Twine &what) {
  if (!value.consume_front("'") || !value.consume_back("'") ||
      value.contains('\''))
    return fail(column, "expected " + what + " in single quotes, got " + value);
  into = value.str();
  return true;
}

bool Reader::readHeader() {
  if (words[0].text != "fovea-tuning" || words.size() != 2)
    return fail(words[0].column,
                formatv("expected 'fovea-tuning {0}' to be the first line, got "
                        "'{1}'",
                        kTuningVersion, words[0].text));
  unsigned version = 0;
  if (words[1].text.getAsInteger(10, version) || version != kTuningVersion) {
    StringRef age = version > kTuningVersion ? " of a newer fovea" : "";
    return fail(words[1].column,
                formatv("expected a tuning table of version {0}, got version "
                        "'{1}'{2}",
                        kTuningVersion, words[1].text, age));
  }
  return true;
}

bool Reader::readCpu() {
  if (words[0].text != "cpu" || words.size() != 2)
    return fail(words[0].column,
                formatv("expected the line cpu '..' behind the version, got "
                        "'{0}'",
                        words[0].text));
  table.cpuLine = line;
  return quoted(words[1].text, table.cpu, words[1].column, "the processor");
}

bool Reader::readTile(TuningEntry &entry, StringRef value, int column) {
  auto [rows, lanes] = value.split('x');
  int64_t r = 0, l = 0;
  if (rows.getAsInteger(10, r) || lanes.getAsInteger(10, l) || r < 1 || l < 1 ||
      r > 1024 || l > 1024)
    return fail(column,
                formatv("expected a tile ROWSxLANES, got '{0}'", value));
  entry.prefill.regRows = int(r);
  entry.prefill.lanes = int(l);
  return true;
}

bool Reader::readField(TuningEntry &entry, StringRef name, StringRef value,
                       int column) {
  int64_t n = 0;
  if (name == "target") {
    auto known = find_if(allTargets(),
                         [&](const TargetInfo &t) { return t.name == value; });
    if (known == allTargets().end())
      return fail(column, formatv("expected a target that this compiler knows, "
                                  "got '{0}'",
                                  value));
    entry.target = value.str();
  } else if (name == "dtype") {
    auto known = find_if(
        kDtypes, [&](const DtypeWord &word) { return word.word == value; });
    if (known == std::end(kDtypes))
      return fail(column, formatv("expected dtype f32, f16, bf16 or i8, got "
                                  "'{0}'",
                                  value));
    entry.traits.dtype = known->dtype;
  } else if (name == "dims") {
    auto [key, val] = value.split('x');
    return number(key, 576, entry.traits.keyDim, column, "the key dim") &&
           number(val, 576, entry.traits.valueDim, column, "the value dim");
  } else if (name == "group") {
    return number(value, 1 << 20, entry.traits.group, column, "group");
  } else if (name == "over") {
    if (value != "tensors" && value != "cache")
      return fail(column,
                  formatv("expected over=tensors or cache, got '{0}'", value));
    entry.traits.cached = value == "cache";
  } else if (name == "mask") {
    return quoted(value, entry.traits.mask, column, "a mask");
  } else if (name == "note") {
    return quoted(value, entry.note, column, "a note");
  } else if (name == "keys") {
    if (!number(value, 1 << 20, n, column, "keys"))
      return false;
    entry.prefill.keys = entry.decode.keys = int(n);
  } else if (name == "tile") {
    return readTile(entry, value, column);
  } else if (name == "rows") {
    if (!number(value, 1 << 20, n, column, "rows"))
      return false;
    entry.prefill.rows = int(n);
  } else if (name == "convert") {
    if (value != "yes" && value != "no" && value != "matrix")
      return fail(column, formatv("expected convert=yes, no or matrix, got "
                                  "'{0}'",
                                  value));
    entry.prefill.convert = value != "no";
    entry.prefill.matrix = value == "matrix";
  } else if (name == "prefetch") {
    DecodeSchedule &s = entry.decode;
    s.prefetchValue = s.prefetchNext = s.prefetchFar = false;
    for (StringRef word : split(value, '+'))
      (word == "v"      ? s.prefetchValue
       : word == "next" ? s.prefetchNext
                        : s.prefetchFar) = word != "none";
    // In their order and once each, and nothing else.
    if (prefetchText(s) != value)
      return fail(column, formatv("expected prefetch=none, or v, next and far "
                                  "joined by +, got '{0}'",
                                  value));
  }
  return true;
}

/// The fields of both kinds, then those of one.
static SmallVector<StringRef> fieldsOf(StreamKind kind) {
  SmallVector<StringRef> names{"target", "dtype", "dims", "group",
                               "over",   "mask",  "keys"};
  if (kind == StreamKind::Prefill)
    names.append({"tile", "rows", "convert"});
  else
    names.push_back("prefetch");
  return names;
}

bool Reader::readEntry() {
  TuningEntry entry;
  entry.line = line;
  entry.kind =
      words[0].text == "prefill" ? StreamKind::Prefill : StreamKind::Decode;
  SmallVector<StringRef> missing = fieldsOf(entry.kind), given;
  for (const Word &word : ArrayRef<Word>(words).drop_front()) {
    auto [name, value] = word.text.split('=');
    if (is_contained(given, name))
      return fail(word.column,
                  formatv("expected one field {0}, got another", name));
    given.push_back(name);
    auto *place = llvm::find(missing, name);
    if (place != missing.end())
      missing.erase(place);
    else if (name != "note")
      return fail(word.column,
                  formatv("expected a field of a {0} entry, got '{1}'",
                          words[0].text, name));
    if (!readField(entry, name, value, word.column + int(name.size()) + 1))
      return false;
  }
  if (!missing.empty())
    return fail(words[0].column,
                formatv("expected a {0} entry to have the field {1}, got none",
                        words[0].text, missing[0]));
  const TargetInfo &target = *find_if(allTargets(), [&](const TargetInfo &t) {
    return t.name == entry.target;
  });
  std::string why = entry.kind == StreamKind::Prefill
                        ? whyNot(target, entry.prefill)
                        : whyNot(target, entry.decode);
  if (!why.empty())
    return fail(words[0].column, why);
  StreamTraits plain = entry.traits;
  plain.plainBF16 = plain.dtype == FOVEA_DTYPE_BF16 && !plain.cached;
  if (entry.kind == StreamKind::Prefill && entry.prefill.matrix &&
      !fitsMatrix(target, plain))
    return fail(words[0].column,
                "expected convert=matrix for bf16 over tensors in dims that "
                "are multiples of 32, got another stream");
  if (const TuningEntry *other = table.find(entry.key()))
    return fail(words[0].column,
                formatv("expected one entry of this key, got another in line "
                        "{0}",
                        other->line));
  table.entries.push_back(std::move(entry));
  return true;
}

bool Reader::readEnd() {
  size_t count = 0;
  if (words.size() != 2 || words[1].text.getAsInteger(10, count) ||
      count != table.entries.size())
    return fail(words[0].column,
                formatv("expected end to count the entries, got '{0}' and {1}",
                        words.size() > 1 ? words[1].text : "",
                        table.entries.size()));
  ended = true;
  return true;
}

std::optional<TuningTable> Reader::read() {
  fault = {};
  while (nextLine()) {
    StringRef verb = words[0].text;
    bool good;
    if (ended)
      good = fail(words[0].column,
                  formatv("expected nothing behind end, got '{0}'", verb));
    else if (!table.cpuLine)
      good = headed ? readCpu() : (headed = readHeader());
    else if (verb == "prefill" || verb == "decode")
      good = readEntry();
    else if (verb == "end")
      good = readEnd();
    else
      good = fail(words[0].column,
                  formatv("expected prefill, decode or end, got '{0}'", verb));
    if (!good)
      return std::nullopt;
  }
  if (!fault.text.empty())
    return std::nullopt;
  if (!ended) {
    ++line;
    fail(1, headed ? "expected the line end that counts the entries, got the "
                     "end of the text"
                   : "expected a tuning table, got an empty text");
    return std::nullopt;
  }
  return std::move(table);
}

std::optional<TuningTable> parseTuningTable(StringRef text,
                                            TuningFault &fault) {
  return Reader(text, fault).read();
}

} // namespace fovea
