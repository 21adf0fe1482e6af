// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Making the arguments of a call.
#include "tools/fovea/Arguments.h"

#include "dialects/reference/Select.h"
#include "tools/fovea/npy/Npy.h"

#include "llvm/Support/FormatVariadic.h"

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <tuple>
#include <unistd.h>

namespace fovea::cli {

void CallOptions::addTo(CLI::App &command, bool shapeRequired) {
  auto *option = command.add_option(
      "--shape", shape,
      "Extents of the named dims, e.g. b=2,sq=257,sk=1031 (K and M are "
      "1024 and 1024^2); with a cache rows=[300,1x40],sk=1000: the rows of "
      "each sequence and its tokens, rows included; prefix=512: the tokens "
      "that all share");
  if (shapeRequired)
    option->required();
  command.add_option("--in", inputs,
                     "NAME=FILE.npy: an argument from a file; f16, f32 and f64 "
                     "convert to its type, an encoded one is encoded. A cache: "
                     "NAME=KEYS.npy,VALUES.npy, both (b, heads, tokens, dim)");
  command.add_option("--arg", scalars, "NAME=NUMBER: a scalar argument");
  command.add_option(
      "--tree", tree,
      "The rows as trees of drafts, for masks that say `tree`: per row the "
      "number of its parent among its sequence's rows, or -1: "
      "--tree=-1,0,0,1 or FILE.npy (integers, (rows) or (b, rows)); of one "
      "sequence for all, or of all. `random`: by the seed");
  command.add_option("--seed", seed, "Of the random arguments")
      ->check(CLI::Validator(
          [](const std::string &text) {
            uint64_t value;
            return llvm::StringRef(text).getAsInteger(10, value)
                       ? "expected a whole number from 0 to 2^64 - 1, got " +
                             text
                       : std::string();
          },
          ""));
  command.add_flag("--no-sharing", noSharing,
                   "Read a prefix that sequences share once for each");
  command.add_flag("--deterministic", deterministic,
                   "Split no sequence's work differently because of others");
}

std::string CallOptions::commandLine() const {
  std::string line;
  if (!shape.empty())
    line += " --shape=" + shape;
  for (const std::string &input : inputs)
    line += " --in " + input;
  for (const std::string &scalar : scalars)
    line += " --arg " + scalar;
  if (!tree.empty())
    line += " --tree=" + tree;
  if (seed != 1)
    line += " --seed=" + std::to_string(seed);
  if (noSharing)
    line += " --no-sharing";
  if (deterministic)
    line += " --deterministic";
  return line;
}

static std::string base(const std::string &name) {
  return name.substr(0, name.find('.'));
}

static std::string extentsText(const std::vector<int64_t> &shape) {
  std::string text = "(";
  for (size_t d = 0; d < shape.size(); ++d)
    text += (d ? ", " : "") + std::to_string(shape[d]);
  return text + ")";
}

Arguments::Arguments(const Session &session, const CallOptions &call,
                     mlir::func::FuncOp spec, const Extents &defaults,
                     const Arguments *like)
    : session(session), cacheInfos(cachesOf(session)) {
  size_t nInputs = 0;
  for (const fovea_arg_info &arg : infos())
    nInputs += !arg.is_result;
  given.resize(nInputs);
  filled.assign(nInputs, false);
  for (size_t i = 0; i < nInputs; ++i) {
    given[i].name = infos()[i].name;
    given[i].isScalar = infos()[i].kind == FOVEA_SCALAR;
    given[i].isCache = infos()[i].kind == FOVEA_CACHE;
  }
  Extents extents = parseExtents(call.shape);
  checkShapeNames(extents, dimNames());
  if (cacheInfos.empty())
    bindShape(numbersOf(extents), "--shape");
  setScalars(call);
  loadInputs(call);
  if (like)
    copyInputs(*like);
  if (!cacheInfos.empty())
    bindSequences(extents, defaults, call);
  else if (!call.tree.empty())
    throw Failure(ExitUsage, "expected --tree with a kernel over a cache, got "
                             "one without: there, the parents are an "
                             "argument");
  Extents missing;
  for (const std::string &name : session.dims())
    if (auto found = defaults.find(name);
        found != defaults.end() && !dims.count(name) &&
        !(found->second.isList && cacheInfos.empty())) // some table's dim
      missing.insert(*found);
  bindShape(numbersOf(missing), "the default shape");
  checkMemory();
  fillMissing(call, spec);
  fillCaches(call, bool(spec));
  makeResults();
  list.resize(infos().size());
  views.resize(infos().size());
  for (size_t i = 0; i < infos().size(); ++i) {
    if (i < nInputs && given[i].isScalar) {
      bool real = infos()[i].dtype == FOVEA_DTYPE_F32 ||
                  infos()[i].dtype == FOVEA_DTYPE_F64;
      list[i].kind = FOVEA_SCALAR;
      if (real)
        list[i].u.f = given[i].f;
      else
        list[i].u.i = given[i].i;
      continue;
    }
    if (infos()[i].kind == FOVEA_CACHE) {
      for (const auto &cache : hostCaches)
        if (cache->info().arg == i)
          list[i].u.kv = cache->handle();
      list[i].kind = FOVEA_CACHE;
      continue;
    }
    views[i] =
        i < nInputs ? given[i].tensor.view() : outputs[i - nInputs].view();
    list[i].kind = FOVEA_TENSOR;
    list[i].u.tensor = &views[i];
  }
}

const HostTensor &Arguments::tensor(size_t index) const {
  return index < given.size() ? given[index].tensor
                              : outputs[index - given.size()];
}

int Arguments::find(const std::string &name) const {
  for (size_t i = 0; i < given.size(); ++i)
    if (name == given[i].name)
      return int(i);
  return -1;
}

void Arguments::setScalars(const CallOptions &call) {
  std::vector<std::string> names;
  for (const HostValue &value : given)
    if (value.isScalar)
      names.push_back(value.name);
  std::vector<std::string> seen;
  for (const std::string &text : call.scalars) {
    auto [name, value] = splitDefinition(text, "--arg");
    insistOnce("--arg", name, seen);
    int index = find(name);
    if (index < 0 || !given[size_t(index)].isScalar)
      throw Failure(ExitUsage, unknownWord("scalar", name, names));
    int32_t dtype = infos()[size_t(index)].dtype;
    bool real = dtype == FOVEA_DTYPE_F32 || dtype == FOVEA_DTYPE_F64;
    char *end = nullptr;
    if (real)
      given[size_t(index)].f = std::strtod(value.c_str(), &end);
    else
      given[size_t(index)].i = std::strtoll(value.c_str(), &end, 10);
    if (end == value.c_str() || *end)
      throw Failure(ExitUsage, "expected --arg " + name + "= to be " +
                                   (real ? "a number" : "a whole number") +
                                   ", got '" + value + "'");
    filled[size_t(index)] = true;
  }
}

void Arguments::bindShape(const Shape &shape, const std::string &from) {
  for (const auto &[name, extent] : shape) {
    dims[name] = extent;
    dimOrigin[name] = from;
  }
  // A static extent may have a name too: nothing changes it.
  for (const fovea_arg_info &arg : infos())
    for (int d = 0; d < arg.rank; ++d) {
      auto found = arg.dims[d] && arg.shape[d] >= 0 ? dims.find(arg.dims[d])
                                                    : dims.end();
      if (found != dims.end() && found->second != arg.shape[d])
        throw Failure(ExitUsage, std::string("expected dim '") + arg.dims[d] +
                                     "' to be " + std::to_string(arg.shape[d]) +
                                     " as in the spec, got " +
                                     std::to_string(found->second));
    }
}

void Arguments::bindDims(const fovea_arg_info &arg,
                         const std::vector<int64_t> &shape,
                         const std::string &from) {
  if (int(shape.size()) != arg.rank)
    throw Failure(ExitRejected,
                  from + ": expected '" + arg.name + "' to have rank " +
                      std::to_string(arg.rank) + ", got " + extentsText(shape));
  for (int d = 0; d < arg.rank; ++d) {
    if (arg.shape[d] >= 0 && arg.shape[d] != shape[d])
      throw Failure(ExitRejected,
                    from + ": expected extent " + std::to_string(d) + " of '" +
                        arg.name + "' to be " + std::to_string(arg.shape[d]) +
                        ", got " + extentsText(shape));
    if (arg.shape[d] >= 0 || !arg.dims[d])
      continue;
    auto [found, inserted] = dims.emplace(arg.dims[d], shape[d]);
    if (inserted)
      dimOrigin[arg.dims[d]] = from;
    else if (found->second != shape[d])
      throw Failure(ExitRejected,
                    from + ": expected dim '" + arg.dims[d] + "' to be " +
                        std::to_string(found->second) + " as in " +
                        dimOrigin[arg.dims[d]] + ", got " + extentsText(shape));
  }
}

/// Whether input `index` is the codes of an encoded tensor whose scales
/// follow: `k.codes`, `k.scale`.
bool Arguments::encodes(size_t index) const {
  const std::string &name = given[index].name;
  return index + 1 < given.size() && name == base(name) + ".codes" &&
         given[index + 1].name == base(name) + ".scale";
}

void Arguments::loadInput(const std::string &name, const std::string &path) {
  npy::Array array;
  std::string error;
  if (!npy::read(path, array, error))
    throw Failure(ExitRejected, error);
  bool encoded = find(name) < 0;
  size_t index = size_t(find(encoded ? name + ".codes" : name));
  const fovea_arg_info &arg = infos()[index];
  bindDims(arg, array.shape, path);
  std::vector<char> bytes;
  fovea_dtype dtype = encoded ? FOVEA_DTYPE_F32 : fovea_dtype(arg.dtype);
  if (!npy::convert(array, dtype, path, bytes, error))
    throw Failure(ExitRejected, error);
  HostTensor plain(dtype, array.shape);
  std::memcpy(plain.bytes.data(), bytes.data(), bytes.size());
  setTensor(name, std::move(plain));
}

/// `plain` as input `name`: as it is, or encoded.
void Arguments::setTensor(const std::string &name, HostTensor plain) {
  bool encoded = find(name) < 0;
  size_t index = size_t(find(encoded ? name + ".codes" : name));
  filled[index] = true;
  if (!encoded) {
    given[index].tensor = std::move(plain);
    return;
  }
  reference::Encoded parts = reference::encodeInt8(toTensor(plain));
  for (bool scale : {false, true}) {
    const reference::Tensor &part = scale ? parts.scales : parts.codes;
    HostTensor &to = given[index + scale].tensor;
    to = HostTensor(scale ? FOVEA_DTYPE_F32 : FOVEA_DTYPE_I8, part.shape);
    for (int64_t i = 0; i < part.size(); ++i)
      to.set(i, part.data[size_t(i)]);
  }
  filled[index + 1] = true;
}

void Arguments::loadInputs(const CallOptions &call) {
  std::vector<std::string> names;
  for (size_t i = 0; i < given.size(); ++i) {
    if (given[i].isScalar)
      continue;
    if (encodes(i))
      names.push_back(base(given[i].name));
    names.push_back(given[i].name);
  }
  std::vector<std::string> seen;
  for (const std::string &text : call.inputs) {
    std::string name, path;
    std::tie(name, path) = splitDefinition(text, "--in");
    insistOnce("--in", name, seen);
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw Failure(ExitUsage, unknownWord("input", name, names));
    auto cache =
        std::find_if(cacheInfos.begin(), cacheInfos.end(),
                     [&](const CacheInfo &info) { return info.name == name; });
    if (cache != cacheInfos.end())
      loadCache(*cache, path);
    else
      loadInput(name, path);
  }
}

/// The values of a tensor as `dtype`, rounded.
void Arguments::copyInputs(const Arguments &like) {
  for (size_t i = 0; i < given.size(); ++i) {
    if (filled[i])
      continue;
    if (given[i].isCache) {
      copyCache(i, like);
      continue;
    }
    std::string name = given[i].name;
    int there = like.find(name);
    if (given[i].isScalar) {
      if (there < 0 || !like.given[size_t(there)].isScalar)
        continue;
      given[i].i = like.given[size_t(there)].i;
      given[i].f = like.given[size_t(there)].f;
      filled[i] = true;
      continue;
    }
    if (there < 0 && encodes(i))
      there = like.find(name = base(name));
    if (there < 0 || like.given[size_t(there)].isScalar)
      continue;
    bool encode = name != given[i].name;
    HostTensor values =
        converted(like.given[size_t(there)].tensor,
                  encode ? FOVEA_DTYPE_F32 : fovea_dtype(infos()[i].dtype));
    bindDims(infos()[i], values.shape, like.session.options().path);
    setTensor(name, std::move(values));
  }
}

void Arguments::fillMissing(const CallOptions &call, mlir::func::FuncOp spec) {
  std::vector<size_t> missing;
  for (size_t i = 0; i < given.size(); ++i)
    if (!filled[i] && !given[i].isCache)
      missing.push_back(i);
  if (missing.empty())
    return;
  if (!spec) {
    const HostValue &first = given[missing.front()];
    throw Failure(ExitUsage,
                  first.isScalar
                      ? "expected --arg " + first.name +
                            "=NUMBER: the kernel has this scalar"
                      : "expected --in " + base(first.name) +
                            "=FILE.npy: the kernel has this argument");
  }
  auto made = randomArguments(spec, dims, call.seed);
  if (!made)
    throw Failure(ExitUsage, llvm::toString(made.takeError()) +
                                 ": --shape gives it (dims: " +
                                 CLI::detail::join(dimNames(), ", ") + ")");
  for (size_t i : missing) {
    auto found =
        std::find_if(made->begin(), made->end(), [&](const HostValue &value) {
          return value.name == given[i].name;
        });
    if (found == made->end())
      throw Failure(ExitUsage, "expected --in " + base(given[i].name) +
                                   "=FILE.npy: the kernel has this argument");
    given[i] = std::move(*found);
    if (!given[i].isScalar)
      bindDims(infos()[i], given[i].tensor.shape, "the random inputs");
    std::string name = base(given[i].name);
    if (random.empty() || random.back() != name)
      random.push_back(name);
  }
}

/// Whether what is still to be made fits in memory; dims that are not known
/// are asked for later.
void Arguments::checkMemory() const {
  double memory =
      double(sysconf(_SC_PHYS_PAGES)) * double(sysconf(_SC_PAGESIZE));
  double total = 0;
  if (memory <= 0)
    return; // not known
  for (size_t i = 0; i < infos().size(); ++i) {
    const fovea_arg_info &arg = infos()[i];
    if (arg.kind != FOVEA_TENSOR || (i < filled.size() && filled[i]))
      continue;
    double bytes = double(npy::dtypeSize(fovea_dtype(arg.dtype)));
    for (int d = 0; d < arg.rank; ++d) {
      auto found = arg.dims[d] ? dims.find(arg.dims[d]) : dims.end();
      bytes *= arg.shape[d] >= 0     ? double(arg.shape[d])
               : found != dims.end() ? double(found->second)
                                     : 0;
    }
    total += bytes;
    if (total > memory)
      throw Failure(ExitMachine,
                    llvm::formatv("expected arguments and results that fit in "
                                  "{0:f1} GiB of memory, got {1:e2} bytes with "
                                  "'{2}'",
                                  memory / (1 << 30), total, arg.name)
                        .str());
  }
}

void Arguments::makeResults() {
  for (const fovea_arg_info &arg : infos()) {
    if (!arg.is_result)
      continue;
    std::vector<int64_t> shape;
    for (int d = 0; d < arg.rank; ++d) {
      auto found = arg.dims[d] ? dims.find(arg.dims[d]) : dims.end();
      if (arg.shape[d] < 0 && found == dims.end())
        throw Failure(ExitUsage, std::string("expected --shape to give dim '") +
                                     (arg.dims[d] ? arg.dims[d] : "?") +
                                     "' of '" + arg.name + "'");
      shape.push_back(arg.shape[d] >= 0 ? arg.shape[d] : found->second);
    }
    outputs.emplace_back(fovea_dtype(arg.dtype), shape);
  }
}

std::string Arguments::notFinite() const {
  for (const HostValue &value : given) {
    if (value.isScalar || value.isCache)
      continue;
    for (int64_t i = 0; i < value.tensor.size(); ++i)
      if (!std::isfinite(value.tensor.get(i)))
        return value.name;
  }
  return "";
}

void Arguments::poisonResults() {
  for (HostTensor &result : outputs) // 0xff..: a NaN in every floating type
    std::memset(result.bytes.data(), 0xff, result.bytes.size());
}

Call::Call(const Session &session, const Arguments &arguments,
           const CallOptions &options)
    : session(session), arguments(arguments) {
  std::vector<fovea_dim_limit> dims;
  int64_t longest = 0, b = 1, sq = 1;
  std::vector<std::string> names = session.dims();
  for (const auto &[name, extent] : arguments.shape()) {
    // b, rows and sk of a batch need not be dims of any tensor.
    if (std::find(names.begin(), names.end(), name) != names.end())
      dims.push_back({name.c_str(), extent});
    longest = std::max(longest, extent);
    if (name == "b")
      b = extent;
    if (name == "sq")
      sq = extent;
  }
  fovea_plan_limits limits{};
  limits.size = sizeof(limits);
  limits.workers = session.threads();
  limits.rows = b * sq;
  limits.seqs = b;
  limits.max_len = longest;
  if (arguments.batch()) {
    limits.rows = arguments.sequences().totalRows();
    limits.seqs = arguments.sequences().count();
    limits.max_len = arguments.sequences().longest();
  }
  limits.deterministic = options.deterministic;
  limits.no_sharing = options.noSharing;
  limits.n_dims = int32_t(dims.size());
  limits.dims = dims.data();
  fovea_status status = fovea_plan_create(session.kernel(), &limits, &thePlan);
  if (status != FOVEA_OK)
    throw runtimeFailure(status, session.options().path);
  size_t bytes = (fovea_plan_workspace(thePlan) + 63) & ~size_t(63);
  if (session.onGpu()) {
    copyArguments();
    copies.emplace_back(session, bytes);
    workspace = copies.back().data();
    return;
  }
  workspace = bytes ? std::aligned_alloc(64, bytes) : nullptr;
  if (bytes && !workspace) {
    fovea_plan_destroy(thePlan);
    throw Failure(ExitMachine, "expected " + std::to_string(bytes) +
                                   " bytes of workspace, got none");
  }
}

Call::~Call() {
  fovea_plan_destroy(thePlan);
  if (!session.onGpu())
    std::free(workspace);
}

/// Inputs, and results too: what a kernel leaves out keeps its NaNs.
void Call::copyArguments() {
  there = arguments.values();
  views.resize(there.size());
  for (size_t i = 0; i < there.size(); ++i) {
    if (there[i].kind != FOVEA_TENSOR)
      continue;
    const HostBytes &bytes = arguments.tensor(i).bytes;
    copies.emplace_back(session, bytes.size());
    copies.back().write(bytes.data(), bytes.size());
    views[i] = copies.back().view(*there[i].u.tensor);
    there[i].u.tensor = &views[i];
  }
}

void Call::update() {
  for (const auto &cache : arguments.caches())
    cache->rewind();
  fovea_status status =
      fovea_plan_update(thePlan, arguments.batch(), arguments.values().data(),
                        int(arguments.values().size()));
  if (status != FOVEA_OK)
    throw runtimeFailure(status, session.options().path);
}

void Call::enqueue() {
  fovea_status status =
      fovea_run(thePlan, 0, values().data(), int(values().size()), workspace,
                session.stream());
  if (status != FOVEA_OK)
    throw runtimeFailure(status, session.options().path);
}

void Call::wait() {
  // What a kernel on a GPU finds wrong is told by a call that waits for it.
  fovea_counters counters{};
  counters.size = sizeof(counters);
  if (!session.onGpu())
    return;
  if (fovea_status status = fovea_plan_counters(thePlan, &counters, 0))
    throw runtimeFailure(status, session.options().path);
}

void Call::run() {
  enqueue();
  wait();
  for (size_t i = 0; session.onGpu() && i < there.size(); ++i)
    if (session.args()[i].is_result && there[i].kind == FOVEA_TENSOR) {
      const fovea_tensor &host = *arguments.values()[i].u.tensor;
      DeviceMemory::read(session, host.data, there[i].u.tensor->data,
                         arguments.tensor(i).bytes.size());
    }
}

void Call::runPhase(int phase, const fovea_executor &executor) {
  struct Work {
    Call &call;
    int phase;
    int64_t items, chunk;
    std::atomic<int64_t> next{0};
    std::atomic<fovea_status> status{FOVEA_OK};
  };
  int64_t items = fovea_plan_items(thePlan, phase);
  int64_t workers = std::min<int64_t>(executor.workers, items);
  if (workers == 0)
    return;
  Work work{*this, phase, items, std::max<int64_t>(items / (workers * 16), 1)};
  if (workers == 1)
    work.chunk = items;
  // As fovea_run does: who is free takes the next items.
  executor.parallel_for(
      executor.user, workers,
      [](int64_t begin, int64_t end, int worker, void *arg) {
        Work &work = *static_cast<Work *>(arg);
        const std::vector<fovea_value> &args = work.call.arguments.values();
        for (int64_t i = begin; i < end; ++i)
          for (int64_t at; (at = work.next.fetch_add(work.chunk)) < work.items;)
            if (fovea_status status = fovea_run_items(
                    work.call.thePlan, 0, work.phase, at,
                    std::min(at + work.chunk, work.items), worker, args.data(),
                    int(args.size()), work.call.workspace))
              work.status = status;
      },
      &work);
  if (work.status != FOVEA_OK)
    throw Failure(ExitRejected, session.options().path + ": a phase failed: " +
                                    fovea_status_name(work.status));
}

} // namespace fovea::cli
