// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// fovea_jit_compile: first the disk cache, which needs no compiler in the
// process, then libfovea-jit.
#include "runtime/base/Library.h"
#include "runtime/base/Status.h"
#include "runtime/cache/DiskCache.h"
#include "runtime/loader/Bundle.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fovea/jit.h>
#include <unistd.h>
#include <vector>

using namespace fovea::rt;

static double nowMs() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) * 1e3 + double(t.tv_nsec) * 1e-6;
}

namespace {

class Compile {
public:
  Compile(fovea_ctx *ctx, const char *name, const char *text, size_t len,
          const fovea_jit_options &options)
      : ctx(ctx), name(name), text(text), len(len), options(options) {}

  fovea_status run(fovea_bundle **out);

  fovea_jit_info info{};

private:
  fovea_status resolveTargets();
  fovea_status findLibrary();
  fovea_status readTuning();
  void computeKey();
  fovea_status build(fovea_bundle **out, const DiskCache *cache);
  void warn(const std::string &what) const;
  bool cancelled() const { return options.cancel && *options.cancel; }

  fovea_ctx *ctx;
  const char *name, *text;
  size_t len;
  const fovea_jit_options &options;
  std::string targets, library, compilerId, tuning, tuningName;
  Key key;
};

void Compile::warn(const std::string &what) const {
  ctx->log(FOVEA_LOG_WARNING, "%s", what.c_str());
  if (!options.diag)
    return;
  fovea_diag diag{};
  diag.size = sizeof diag;
  diag.severity = FOVEA_SEVERITY_WARNING;
  diag.file = name;
  diag.label = "";
  diag.text = what.c_str();
  options.diag(options.user, &diag);
}

/// "host, x86-64-v3" -> "x86-64-v4,x86-64-v3": a key names what is compiled.
fovea_status Compile::resolveTargets() {
  std::string list = options.targets ? options.targets : "host";
  for (size_t at = 0; at <= list.size();) {
    size_t comma = std::min(list.find(',', at), list.size());
    size_t first = list.find_first_not_of(' ', at);
    size_t last = comma;
    while (last > at && list[last - 1] == ' ')
      --last;
    if (first >= last)
      return fail(FOVEA_INVALID,
                  "expected a comma-separated list of targets, got '%s'",
                  list.c_str());
    std::string one = list.substr(first, last - first);
    if (!targets.empty())
      targets += ',';
    targets += one == "host" ? fovea_host_target() : one;
    at = comma + 1;
  }
  return FOVEA_OK;
}

fovea_status Compile::findLibrary() {
  if (options.library) {
    library = options.library;
    return FOVEA_OK;
  }
  char path[4096];
  if (!libraryPath("FOVEA_JIT_LIBRARY", "libfovea-jit.so", path, sizeof path))
    return fail(FOVEA_UNSUPPORTED, "the path of libfovea-jit.so is too long");
  library = path;
  return FOVEA_OK;
}

/// The text that the options hold or the environment names.
fovea_status Compile::readTuning() {
  if (options.tuning_name)
    tuningName = options.tuning_name;
  if (options.tuning) {
    tuning = options.tuning;
    return FOVEA_OK;
  }
  const char *path = std::getenv("FOVEA_TUNING");
  if (!path || !*path)
    return FOVEA_OK;
  tuningName = path;
  std::FILE *file = std::fopen(path, "rb");
  char chunk[4096];
  size_t n = 0;
  while (file && (n = std::fread(chunk, 1, sizeof chunk, file)) > 0)
    tuning.append(chunk, n);
  bool bad = !file || std::ferror(file);
  int reason = errno;
  if (file)
    std::fclose(file);
  if (bad)
    return fail(FOVEA_INVALID,
                "expected FOVEA_TUNING to name a tuning table, got '%s': %s",
                path, std::strerror(reason));
  // An empty text would mean the built-in schedules.
  if (tuning.empty())
    return fail(FOVEA_INVALID,
                "expected FOVEA_TUNING to name a tuning table, got '%s', which "
                "is empty",
                path);
  return FOVEA_OK;
}

void Compile::computeKey() {
  KeyBuilder builder;
  uint32_t versions[] = {FOVEA_BUNDLE_VERSION, FOVEA_ABI_VERSION};
  builder.part(versions, sizeof versions).part(compilerId).part(targets);
  builder.part(text, len);
  // The order of defines does not matter.
  std::vector<std::string> defines(options.defines,
                                   options.defines + options.n_defines);
  std::sort(defines.begin(), defines.end());
  for (const std::string &define : defines)
    builder.part(define);
  builder.part(tuning.empty() ? "built-in" : "tuning:" + tuning);
  if (needsAssembler(targets))
    builder.part(assemblerIdentity());
  key = builder.finish();
}

fovea_status Compile::build(fovea_bundle **out, const DiskCache *cache) {
  char reason[512];
  void *handle = openLibraryAt(library.c_str(), reason, sizeof reason);
  auto interface = reinterpret_cast<fovea_jit_interface_fn>(
      findSymbol(handle, "fovea_jit_interface"));
  auto compile = reinterpret_cast<fovea_jit_build_fn>(
      findSymbol(handle, "fovea_jit_build"));
  if (!handle)
    return fail(FOVEA_UNSUPPORTED, "expected the compiler's library, got: %s",
                reason);
  if (!interface || !compile || interface() != FOVEA_JIT_INTERFACE)
    return fail(FOVEA_UNSUPPORTED,
                "expected a compiler's library of interface %u, got '%s' of "
                "interface %u",
                FOVEA_JIT_INTERFACE, library.c_str(),
                interface ? interface() : 0);
  fovea_jit_request request{};
  request.size = sizeof request;
  request.n_defines = options.n_defines;
  request.defines = options.defines;
  request.targets = targets.c_str();
  request.tuning = tuning.empty() ? nullptr : tuning.c_str();
  request.tuning_name = tuningName.empty() ? nullptr : tuningName.c_str();
  request.name = name;
  request.text = text;
  request.len = len;
  request.key = cache ? key.low : 0;
  std::memcpy(&request.compiler_id, compilerId.data(),
              std::min(compilerId.size(), sizeof request.compiler_id));
  request.diag = options.diag;
  request.user = options.user;
  request.cancel = options.cancel;
  fovea_jit_result result{};
  result.size = sizeof result;
  double start = nowMs();
  fovea_status st = compile(&request, &result);
  info.compile_ms = nowMs() - start;
  result.message[sizeof result.message - 1] = 0;
  if (st)
    return fail(st, "%s",
                *result.message ? result.message : fovea_status_name(st));
  st = fovea_bundle_memory(ctx, result.bytes, result.n_bytes, out);
  // The file may have been replaced since its id was read; then what was
  // built belongs to another key.
  std::string loaded, why;
  if (!st && cache &&
      loadedBuildId(reinterpret_cast<void *>(compile), loaded) &&
      loaded == compilerId &&
      !cache->store(key, result.bytes, result.n_bytes, why))
    warn("cannot write the cache entry '" + cache->path(key) + "': " + why);
  if (result.release)
    result.release(&result);
  return st;
}

fovea_status Compile::run(fovea_bundle **out) {
  if (fovea_status st = resolveTargets())
    return st;
  if (fovea_status st = findLibrary())
    return st;
  if (fovea_status st = readTuning())
    return st;
  if (cancelled())
    return fail(FOVEA_CANCELLED, "the compilation of '%s' was cancelled", name);
  std::string directory = cacheDirectory(options.cache_dir), why;
  bool cached = !directory.empty();
  if (!cached && !options.cache_dir)
    warn("no cache: neither FOVEA_CACHE_DIR, XDG_CACHE_HOME nor HOME is set");
  if (cached && !fileBuildId(library, compilerId, why)) {
    cached = false;
    // A missing library is reported by the attempt to load it.
    if (access(library.c_str(), R_OK) == 0)
      warn("no cache: " + why);
  }
  DiskCache cache(directory);
  if (cached && !cache.open(why)) {
    cached = false;
    warn("no cache: cannot use the directory '" + directory + "': " + why);
  }
  if (cached) {
    computeKey();
    std::strcpy(info.key, key.hex().c_str());
    std::string note;
    *out = cache.find(ctx, key, note);
    if (!note.empty())
      warn(note);
    if (*out) {
      info.cache_hit = 1;
      return FOVEA_OK;
    }
  }
  return build(out, cached ? &cache : nullptr);
}

} // namespace

fovea_status fovea_jit_compile(fovea_ctx *ctx, const char *name,
                               const char *text, size_t len,
                               const fovea_jit_options *given,
                               fovea_bundle **out) {
  if (!ctx || !text || !out)
    return fail(FOVEA_INVALID, "expected %s, got NULL",
                !ctx    ? "a context"
                : !text ? "a spec"
                        : "a place for the bundle");
  *out = nullptr;
  fovea_jit_options options{};
  if (given)
    if (fovea_status st = readStruct(given, offsetof(fovea_jit_options, tuning),
                                     options, "fovea_jit_options"))
      return st;
  if (options.n_defines < 0 || (options.n_defines && !options.defines))
    return fail(FOVEA_INVALID,
                "expected options.defines of n_defines entries, got %d",
                options.n_defines);
  for (int32_t i = 0; i < options.n_defines; ++i)
    if (!options.defines[i])
      return fail(FOVEA_INVALID, "expected options.defines[%d], got NULL", i);
  if (ctx->sealed.load(std::memory_order_acquire))
    return fail(FOVEA_SEALED,
                "expected to compile before fovea_seal, got '%s' after it",
                name ? name : "spec");
  double start = nowMs();
  Compile compile(ctx, name ? name : "spec", text, len, options);
  fovea_status st = compile.run(out);
  compile.info.total_ms = nowMs() - start;
  if (options.info && !st)
    return writeStruct(compile.info, options.info,
                       offsetof(fovea_jit_info, key), "fovea_jit_info");
  return st;
}
