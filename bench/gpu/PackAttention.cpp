// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// gpu_pack_attention ROOT FOLDER TARGETS [NAME...]: writes attention kernels of
// the examples under ROOT, or those of these names, as gpu_attention reads
// them: a bundle for TARGETS, random inputs, and what the float64 reference
// makes of them.
//
// FOLDER/index.txt has a line for each kernel: name, the largest error that is
// allowed, and the shapes of arguments and result. Beside it lie NAME.fvb,
// NAME.in (all arguments, one behind the other) and NAME.expected (f64).
// Without names, FOLDER/times.txt and its bundles too, for gpu_times.
#include "tools/fovea/Arguments.h"
#include "tools/fovea/SpecModule.h"
#include "tools/fovea/Verify.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"

using namespace fovea;
using namespace fovea::cli;

namespace {
struct Case {
  const char *name, *spec;
  std::vector<std::string> defines;
  const char *shape;
};
} // namespace

/// Between them: both element types and head dims, tiles that are not full,
/// masks with and without a table, items that are split, coded keys.
static std::vector<Case> cases() {
  const char *causal = "examples/masks/causal.mlir";
  const char *ragged = "b=2,sq=70,sk=300";
  return {
      {"causal_f16_64", causal, {"T=f16", "D=64"}, ragged},
      {"causal_f16_128", causal, {"T=f16", "D=128"}, ragged},
      {"causal_bf16_64", causal, {"T=bf16", "D=64"}, ragged},
      {"causal_bf16_128", causal, {"T=bf16", "D=128"}, ragged},
      {"sink_window_bf16_128",
       "examples/masks/sink_window.mlir",
       {"T=bf16", "D=128"},
       "b=1,sq=200,sk=200"},
      {"document_cu_seqlens_f16_64",
       "examples/masks/document_cu_seqlens.mlir",
       {"T=f16", "D=64"},
       "b=1,sq=256,sk=256,cu_seqlens_0=5"},
      {"decode_bf16_128", causal, {"T=bf16", "D=128"}, "b=1,sq=1,sk=4000"},
      {"decode_int8_bf16_64",
       "bench/specs/int8.mlir",
       {"T=bf16"},
       "b=2,sq=1,sk=1000"},
      {"paged_int8_bf16_128",
       "bench/specs/cache.mlir",
       {"F=#kv.int8<per tok>"},
       "b=3,rows=[30,1,1],sk=[300,157,1000]"},
  };
}

/// A bundle that gpu_times times.
struct Timed {
  const char *name, *spec;
  std::vector<std::string> defines;
};

static std::vector<Timed> timedBundles() {
  const char *grouped = "KV=8", *int8 = "F=#kv.int8<per tok>";
  return {{"time_dense", "dense", {"KV=32"}},
          {"time_causal", "causal", {"KV=32"}},
          {"time_dense_grouped", "dense", {grouped}},
          {"time_causal_grouped", "causal", {grouped}},
          {"time_int8", "int8", {grouped}},
          {"time_paged", "cache", {grouped}},
          {"time_paged_int8", "cache", {grouped, int8}}};
}

/// times.txt: what gpu_times and peers.py time. Heads are 32 / 8 in decode.
static std::string timedCases() {
  std::string text =
      "time_dense all 1x32x8192x128 1x32x8192x128 1x32x8192x128 1x32x8192x128 "
      ": prefill 8K\n"
      "time_causal causal 1x32x8192x128 1x32x8192x128 1x32x8192x128 "
      "1x32x8192x128 : prefill 8K causal\n"
      "time_causal_grouped causal 4x32x2048x128 4x8x2048x128 4x8x2048x128 "
      "4x32x2048x128 : prefill 2K causal, 32 / 8 heads\n";
  for (int batch : {1, 4, 16, 64})
    for (int keys : {4, 16, 64}) {
      std::string b = std::to_string(batch), n = std::to_string(1024 * keys);
      std::string q = " " + b + "x32x1x128", k = " " + b + "x8x" + n + "x128",
                  scale = " " + b + "x8x" + n,
                  name = " : decode " + b + " x " + std::to_string(keys) + "K";
      text += "time_dense_grouped all" + q + k + k + q + name + "\n";
      text +=
          "time_int8 all" + q + k + scale + k + scale + q + name + ", int8\n";
    }
  // A step of 16 sequences, their caches in pages of 16 tokens.
  for (int keys : {4, 16, 64})
    for (bool int8 : {false, true}) {
      std::string committed = std::to_string(1024 * keys - 1);
      text += std::string("time_paged") + (int8 ? "_int8" : "") +
              " all 16x32x128 16x8x128 16x8x128 c=16x8x" + committed +
              "x128:" + committed + "+1*16" + (int8 ? "/int8" : "") +
              " 16x32x128 : decode 16 x " + std::to_string(keys) + "K, paged" +
              (int8 ? ", int8" : "") + "\n";
    }
  return text;
}

static void writeBundle(const Session &session, const std::string &path) {
  const void *bundle = nullptr;
  size_t size = 0;
  if (fovea_status status =
          fovea_bundle_bytes(session.bundle(), &bundle, &size))
    throw runtimeFailure(status, path);
  writeFile(path, {static_cast<const char *>(bundle), size});
}

static void packTimed(const std::string &root, const std::string &folder,
                      const std::string &targets) {
  for (const Timed &one : timedBundles()) {
    SpecOptions options;
    options.path = root + "/bench/specs/" + one.spec + ".mlir";
    options.defines = {"T=bf16", "D=128", "H=32"};
    options.defines.insert(options.defines.end(), one.defines.begin(),
                           one.defines.end());
    options.target = targets;
    Session session(options, 1);
    writeBundle(session, folder + "/" + one.name + ".fvb");
  }
  writeFile(folder + "/times.txt", timedCases());
}

[[noreturn]] static void reject(const std::string &what) {
  throw Failure(ExitRejected, what);
}

static llvm::StringRef bytesOf(const HostTensor &tensor) {
  return {reinterpret_cast<const char *>(tensor.bytes.data()),
          tensor.bytes.size()};
}

/// A cache's keys or values; the word says what is in it.
static std::string describe(const HostValue &value, const Sequences &sequences,
                            bool coded) {
  std::string word;
  llvm::raw_string_ostream os(word);
  llvm::interleave(value.tensor.shape, os, "x");
  for (auto [i, tokens] : llvm::enumerate(value.tokens))
    os << (i ? "," : ":") << tokens << "+" << sequences.rows[i];
  os << (coded ? "/int8" : "");
  return word;
}

static std::string pack(const Case &one, const std::string &root,
                        const std::string &folder, const std::string &targets) {
  SpecOptions options;
  options.path = root + "/" + one.spec;
  options.defines = one.defines;
  options.target = targets;
  Session session(options, 1);
  SpecModule spec(session);
  CallOptions call;
  call.shape = one.shape;
  // Caches are filled where the arguments are made.
  options.target = "host";
  Session here(options, 1);
  Arguments arguments(here, call, spec.kernel());
  auto inputs = toReference(spec.kernel(), arguments.inputs());
  if (!inputs)
    reject(llvm::toString(inputs.takeError()));
  reference::Report report =
      reportFor(spec.kernel(), Rounding::WeightsAndRotated);
  auto wanted = reference::evaluate(spec.kernel(), *inputs, &report,
                                    arguments.referenceBatch());
  if (!wanted)
    reject(llvm::toString(wanted.takeError()));
  const auto *want = std::get_if<reference::Tensor>(&wanted->front());
  if (!want)
    reject("expected a kernel whose first result is a tensor");
  mlir::Value result =
      spec.kernel().getBody().front().getTerminator()->getOperand(0);
  double allowed = allowedError(
      spec.kernel(), want->data, reference::elementOf(result.getType()),
      reference::roleOf(result), report, Rounding::WeightsAndRotated);

  std::string line = one.name, in, base = folder + "/" + one.name;
  llvm::raw_string_ostream os(line);
  os << llvm::format(" %.17g", allowed);
  auto add = [&](llvm::ArrayRef<int64_t> shape) {
    os << " ";
    llvm::interleave(shape, os, "x");
  };
  for (const HostValue &value : arguments.inputs()) {
    if (value.isScalar)
      reject("expected arguments to be tensors, got '" + value.name + "'");
    in += bytesOf(value.tensor);
    if (!value.isCache) {
      add(value.tensor.shape);
      continue;
    }
    in += bytesOf(value.cachedValues);
    os << " "
       << describe(value, arguments.sequences(),
                   std::string(one.name).find("int8") != std::string::npos);
  }
  add(want->shape);
  writeBundle(session, base + ".fvb");
  writeFile(base + ".in", in);
  writeFile(base + ".expected",
            {reinterpret_cast<const char *>(want->data.data()),
             want->data.size() * sizeof(double)});
  return line + "\n";
}

static int fail(const std::string &what) {
  llvm::errs() << "gpu_pack_attention: error: " << what << "\n";
  return 1;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  if (argc < 4)
    return fail("expected ROOT FOLDER TARGETS [NAME...], got " +
                std::to_string(argc - 1) + " arguments");
  std::string folder = argv[2], index;
  if (std::error_code error = llvm::sys::fs::create_directories(folder))
    return fail("expected to make " + folder + ": " + error.message());
  std::vector<std::string> names(argv + 4, argv + argc);
  size_t packed = 0;
  for (const Case &one : cases()) {
    if (!names.empty() && !llvm::is_contained(names, one.name))
      continue;
    try {
      index += pack(one, argv[1], folder, argv[3]);
    } catch (const Failure &failure) {
      return fail(std::string(one.name) + ": " + failure.what());
    }
    ++packed;
  }
  if (packed < names.size())
    return fail("expected names of attention kernels, got " +
                llvm::join(names, " "));
  try {
    writeFile(folder + "/index.txt", index);
    if (names.empty())
      packTimed(argv[1], folder, argv[3]);
  } catch (const Failure &failure) {
    return fail(failure.what());
  }
  llvm::outs() << packed << " attention kernels in " << folder << "\n";
  return 0;
}
