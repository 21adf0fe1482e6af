// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Sharing out the options of a call over two kernels.
#include "tools/fovea/compare/Options.h"
#include "tools/fovea/Caches.h"

#include "passes/pipelines/Parameters.h"

#include <algorithm>

namespace fovea::cli {

std::vector<std::string> parametersOf(const std::string &path) {
  std::string text = readFile(path);
  return isBundle(text) ? std::vector<std::string>()
                        : substituteParameters(text, {}).parameters;
}

SpecOptions withDefines(SpecOptions spec,
                        const std::vector<std::string> &defines) {
  std::vector<std::string> names = parametersOf(spec.path);
  for (const auto &[name, value] : parseDefines(defines))
    if (std::find(names.begin(), names.end(), name) != names.end())
      spec.defines.push_back(name + "=" + value);
  return spec;
}

std::string argumentOf(const std::string &name) {
  return name.substr(0, name.find('.'));
}

static bool hasInput(const Session &session, const std::string &name) {
  for (const fovea_arg_info &arg : session.args())
    if (!arg.is_result && (name == arg.name || name == argumentOf(arg.name)))
      return true;
  return false;
}

/// The words of --shape: those of the sequences, too, where there is a cache.
static std::vector<std::string> shapeNames(const Session &session) {
  std::vector<std::string> names = session.dims();
  if (!cachesOf(session).empty())
    for (const char *name : {"b", "rows", "sk", "prefix"})
      if (std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(name);
  return names;
}

static bool hasDim(const Session &session, const std::string &name) {
  std::vector<std::string> dims = shapeNames(session);
  return std::find(dims.begin(), dims.end(), name) != dims.end();
}

CallOptions optionsFor(const Session &session, const CallOptions &all) {
  CallOptions own = all;
  own.inputs.clear();
  own.scalars.clear();
  own.shape.clear();
  for (const std::string &input : all.inputs)
    if (hasInput(session, splitDefinition(input, "--in").first))
      own.inputs.push_back(input);
  for (const std::string &scalar : all.scalars)
    if (hasInput(session, splitDefinition(scalar, "--arg").first))
      own.scalars.push_back(scalar);
  for (const auto &[name, extent] : parseExtents(all.shape)) {
    if (!hasDim(session, name))
      continue;
    std::string list;
    for (int64_t value : extent.values)
      list += (list.empty() ? "" : ",") + std::to_string(value);
    own.shape += (own.shape.empty() ? "" : ",") + name + "=" +
                 (extent.isList ? "[" + list + "]" : list);
  }
  return own;
}

/// The words that either kernel knows, those of the first one first.
static std::vector<std::string> both(const std::vector<std::string> &a,
                                     const std::vector<std::string> &b) {
  std::vector<std::string> all = a;
  for (const std::string &word : b)
    if (std::find(a.begin(), a.end(), word) == a.end())
      all.push_back(word);
  return all;
}

static std::vector<std::string> inputNames(const Session &session) {
  std::vector<std::string> names;
  for (const fovea_arg_info &arg : session.args())
    if (!arg.is_result)
      names.push_back(arg.name);
  return names;
}

/// "'c'", or "none". The tokens of two caches would share the numbers that mass
/// is told by.
static std::string cacheName(const Session &session) {
  std::vector<CacheInfo> caches = cachesOf(session);
  if (caches.size() > 1)
    throw Failure(ExitRejected, session.options().path +
                                    ": expected a kernel with at most one "
                                    "cache to compare, got " +
                                    std::to_string(caches.size()));
  return caches.empty() ? "none" : "'" + caches.front().name + "'";
}

void checkNames(const Session &mine, const Session &dense,
                const CallOptions &call) {
  std::string myCache = cacheName(mine), denseCache = cacheName(dense);
  if (myCache != denseCache)
    throw Failure(ExitRejected, "expected both kernels to read the same cache, "
                                "or none, got " +
                                    myCache + " and " + denseCache);
  std::vector<std::string> inputs = both(inputNames(mine), inputNames(dense));
  auto check = [&](const std::vector<std::string> &options, const char *option,
                   const char *what) {
    for (const std::string &text : options) {
      std::string name = splitDefinition(text, option).first;
      if (!hasInput(mine, name) && !hasInput(dense, name))
        throw Failure(ExitUsage, unknownWord(what, name, inputs));
    }
  };
  check(call.inputs, "--in", "input");
  check(call.scalars, "--arg", "scalar");
  checkShapeNames(parseExtents(call.shape),
                  both(shapeNames(mine), shapeNames(dense)));
}

} // namespace fovea::cli
