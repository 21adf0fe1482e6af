// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "bench/gpu/Step.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace fovea::gpu {

Step::~Step() {
  fovea_plan_destroy(thePlan);
  for (Argument &argument : arguments)
    if (argument.cache.kv)
      fovea_kv_destroy(argument.cache.kv);
  fovea_kernel_release(kernel);
  fovea_bundle_close(bundle);
}

std::vector<Tensor *> Argument::inputs() {
  if (info.kind == FOVEA_CACHE)
    return {&cache.keys, &cache.values};
  return isTensor() && !info.is_result ? std::vector<Tensor *>{&tensor}
                                       : std::vector<Tensor *>{};
}

bool Step::ok(fovea_status status) {
  if (status != FOVEA_OK)
    detail = fovea_message();
  outOfMemory = status == FOVEA_NO_MEMORY;
  return status == FOVEA_OK;
}

bool Step::refuse(const Argument &argument, const std::string &word) {
  const char *what = argument.info.kind == FOVEA_CACHE    ? "the content"
                     : argument.info.kind == FOVEA_SCALAR ? "an integer"
                                                          : "the shape";
  detail = std::string("expected ") + what + " of the kernel's '" +
           argument.info.name + "', got " + word;
  return false;
}

/// "2x4x70": positive extents; `end` is what follows.
static std::vector<int64_t> extents(const char *at, const char *&end) {
  std::vector<int64_t> shape;
  for (end = at;; end = at) {
    char *behind = nullptr;
    int64_t extent = strtoll(at, &behind, 10);
    if (behind == at || extent <= 0)
      return {};
    shape.push_back(extent);
    at = behind;
    if (*at != 'x')
      break;
    ++at;
  }
  end = at;
  return shape;
}

bool Step::takeTensor(Argument &argument, const std::string &word) {
  const fovea_arg_info &info = argument.info;
  const char *end = nullptr;
  Tensor &tensor = argument.tensor;
  tensor.dtype = info.dtype;
  tensor.shape = extents(word.c_str(), end);
  bool fits = !*end && tensor.elementBytes() &&
              tensor.shape.size() == size_t(info.rank);
  for (int d = 0; fits && d < info.rank; ++d)
    fits = info.shape[d] < 0 || info.shape[d] == tensor.shape[size_t(d)];
  return fits || refuse(argument, word);
}

bool Step::takeCache(Argument &argument, const std::string &word) {
  CacheContent &cache = argument.cache;
  const char *end = nullptr;
  std::vector<int64_t> shape = extents(word.c_str(), end);
  if (shape.size() != 4 || *end != ':')
    return refuse(argument, word);
  cache.rows = {0};
  do {
    char *at = nullptr;
    int64_t tokens = strtoll(end + 1, &at, 10);
    int64_t rows = *at == '+' ? strtoll(at + 1, &at, 10) : 0;
    int64_t times = *at == '*' ? strtoll(at + 1, &at, 10) : 1;
    cache.coded = !strcmp(at, "/int8");
    if (tokens < 0 || tokens > shape[2] || rows < 1 || times < 1 ||
        times > shape[0] || (*at && *at != ',' && !cache.coded))
      return refuse(argument, word);
    for (; times; --times) {
      cache.tokens.push_back(tokens);
      cache.rows.push_back(cache.rows.back() + int32_t(rows));
    }
    end = at;
  } while (*end == ',');
  cache.keys.shape = cache.values.shape = shape;
  // As the rows of the step come, whose type the queries have too.
  cache.keys.dtype = cache.values.dtype = arguments[0].info.dtype;
  return int64_t(cache.tokens.size()) == shape[0] || refuse(argument, word);
}

bool Step::take(Argument &argument, const std::string &word) {
  if (argument.info.kind == FOVEA_CACHE)
    return takeCache(argument, word);
  if (argument.isTensor())
    return takeTensor(argument, word);
  char *end = nullptr;
  argument.scalar = strtoll(word.c_str(), &end, 10);
  return (*word.c_str() && !*end) || refuse(argument, word);
}

const Argument *Step::find(const std::string &name) const {
  for (const Argument &argument : arguments)
    if (argument.info.name == name)
      return &argument;
  return nullptr;
}

bool Step::open(const std::string &path,
                const std::vector<std::string> &words) {
  if (!ok(fovea_bundle_open(machine.ctx, path.c_str(), &bundle)) ||
      !ok(fovea_kernel_get(bundle, nullptr, machine.device, &kernel)))
    return false;
  arguments.resize(size_t(fovea_kernel_args(kernel)));
  if (arguments.size() != words.size()) {
    detail = "expected " + std::to_string(arguments.size()) + " shapes, got " +
             std::to_string(words.size());
    return false;
  }
  for (size_t i = 0; i < arguments.size(); ++i) {
    arguments[i].info.size = sizeof arguments[i].info;
    if (!ok(fovea_kernel_arg(kernel, int(i), &arguments[i].info)))
      return false;
  }
  // First those with a name; the others have the arguments that are left.
  std::vector<std::string> mine(arguments.size());
  auto give = [&](const std::string &name, const std::string &word) {
    for (size_t i = 0; i < mine.size(); ++i)
      if (mine[i].empty() && (name.empty() || name == arguments[i].info.name)) {
        mine[i] = word;
        return true;
      }
    detail = "expected the name of an argument, got " + name;
    return false;
  };
  for (bool named : {true, false})
    for (const std::string &word : words) {
      size_t equals = word.find('=');
      if (named == (equals != word.npos) &&
          !give(named ? word.substr(0, equals) : "",
                named ? word.substr(equals + 1) : word))
        return false;
    }
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (!take(arguments[i], mine[i]))
      return false;
    for (Tensor *tensor : {&arguments[i].tensor, &arguments[i].cache.keys,
                           &arguments[i].cache.values})
      tensor->bytes.assign(tensor->elementBytes(), '\xff');
  }
  return true;
}

bool Step::send(const Tensor &tensor) {
  Tensor &mine = const_cast<Tensor &>(tensor);
  return ok(mine.there.allocate(machine, tensor.size())) &&
         ok(mine.there.fill(tensor.bytes, tensor.size()));
}

/// The committed tokens of a sequence.
bool Step::fillSequence(CacheContent &cache, size_t sequence) {
  constexpr int64_t most = 512;
  uint64_t id = sequence + 1;
  if (!ok(fovea_kv_new(cache.kv, id)))
    return false;
  int64_t tokens = cache.tokens[sequence], heads = cache.keys.shape[1],
          held = cache.keys.shape[2], dim = cache.keys.shape[3];
  for (int64_t first = 0; first < tokens; first += most) {
    int64_t n = std::min(most, tokens - first);
    int32_t rows[2] = {0, int32_t(n)};
    fovea_batch one = {};
    one.size = sizeof one;
    one.n = 1;
    one.seq = &id;
    one.rows = rows;
    int64_t shape[3] = {n, heads, dim}, strides[3] = {dim, held * dim, 1};
    fovea_tensor views[2] = {cache.keys.onGpu(), cache.values.onGpu()};
    for (fovea_tensor &view : views) {
      view.ndim = 3;
      view.shape = shape;
      view.strides = strides;
      view.byte_offset =
          uint64_t((int64_t(sequence) * heads * held + first) * dim) *
          cache.keys.elementBytes();
    }
    if (!ok(fovea_kv_extend(cache.kv, &one)) ||
        !ok(fovea_kv_write(cache.kv, &one, 0, &views[0], &views[1])) ||
        !ok(fovea_kv_commit(cache.kv, id, nullptr, -1, nullptr)))
      return false;
  }
  return true;
}

bool Step::makeCache(size_t index) {
  CacheContent &cache = arguments[index].cache;
  fovea_kv_limits limits = {};
  limits.size = sizeof limits;
  limits.layers = 1;
  limits.seqs = int64_t(cache.tokens.size());
  limits.rows = std::max<int64_t>(cache.rows.back(), 512);
  limits.device = machine.device;
  for (size_t i = 0; i < cache.tokens.size(); ++i)
    limits.max_len = std::max(
        limits.max_len, cache.tokens[i] + cache.rows[i + 1] - cache.rows[i]);
  if (!ok(fovea_kv_create(kernel, int(index), &limits, &cache.kv)) ||
      !send(cache.keys) || !send(cache.values) ||
      !ok(fovea_stream_wait(machine.ctx, machine.device, machine.stream)))
    return false;
  for (size_t i = 0; i < cache.tokens.size(); ++i) {
    ids.push_back(i + 1);
    if (!fillSequence(cache, i))
      return false;
  }
  batch.size = sizeof batch;
  batch.n = int32_t(cache.tokens.size());
  batch.seq = ids.data();
  batch.rows = cache.rows.data();
  // The cache has them now.
  if (!ok(fovea_stream_wait(machine.ctx, machine.device, machine.stream)))
    return false;
  cache.keys.there = {};
  cache.values.there = {};
  return true;
}

bool Step::plan() {
  std::vector<fovea_dim_limit> dims;
  int64_t b = 1, sq = 1, rows = 0, longest = 0;
  for (size_t i = 0; i < arguments.size(); ++i) {
    Argument &argument = arguments[i];
    if (argument.info.kind == FOVEA_CACHE) {
      const CacheContent &cache = argument.cache;
      if (!makeCache(i))
        return false;
      b = int64_t(cache.tokens.size());
      rows = cache.rows.back();
      longest = std::max(longest, cache.keys.shape[2] + rows);
    }
    if (!argument.isTensor())
      continue;
    if (!send(argument.tensor))
      return false;
    argument.here = argument.tensor.onHost();
    argument.there = argument.tensor.onGpu();
    for (size_t d = 0; d < argument.tensor.shape.size(); ++d) {
      const char *name = argument.info.dims[d];
      int64_t extent = argument.tensor.shape[d];
      if (!name ||
          std::any_of(dims.begin(), dims.end(), [&](const auto &limit) {
            return !strcmp(limit.name, name);
          }))
        continue;
      dims.push_back({name, extent});
      longest = std::max(longest, extent);
      b = strcmp(name, "b") ? b : extent;
      sq = strcmp(name, "sq") ? sq : extent;
    }
  }
  for (Argument &argument : arguments) {
    fovea_value value = {argument.info.kind, {.i = argument.scalar}};
    if (argument.info.kind == FOVEA_CACHE)
      value.u.kv = argument.cache.kv;
    if (argument.isTensor())
      value.u.tensor = &argument.here;
    here.push_back(value);
    if (argument.isTensor())
      value.u.tensor = &argument.there;
    there.push_back(value);
  }
  fovea_plan_limits limits = {};
  limits.size = sizeof limits;
  limits.rows = rows ? rows : b * sq;
  limits.seqs = b;
  limits.max_len = longest;
  limits.n_dims = int32_t(dims.size());
  limits.dims = dims.data();
  return ok(fovea_plan_create(kernel, &limits, &thePlan)) &&
         ok(workspace.allocate(machine, fovea_plan_workspace(thePlan))) &&
         update();
}

bool Step::update() {
  return ok(fovea_plan_update(thePlan, batch.size ? &batch : nullptr,
                              here.data(), int(here.size())));
}

bool Step::run() {
  return ok(fovea_run(thePlan, 0, there.data(), int(there.size()),
                      workspace.data, machine.stream));
}

bool Step::wait() {
  fovea_counters counters = {};
  counters.size = sizeof counters;
  return ok(fovea_plan_counters(thePlan, &counters, 0));
}

fovea_stats Step::stats() {
  fovea_stats stats = {};
  stats.size = sizeof stats;
  if (!ok(fovea_plan_stats(thePlan, -1, &stats)))
    stats = {};
  return stats;
}

std::string Step::items() {
  fovea_stats all = stats();
  return std::to_string(all.items) + " items, " + std::to_string(all.slots) +
         " pieces of split ones";
}

bool Step::fetch() {
  for (Argument &argument : arguments) {
    if (!argument.info.is_result || !argument.isTensor())
      continue;
    Tensor &tensor = argument.tensor;
    tensor.bytes.resize(tensor.size());
    if (!ok(fovea_device_copy(machine.ctx, FOVEA_CPU, tensor.bytes.data(),
                              machine.device, tensor.there.data, tensor.size(),
                              machine.stream)))
      return false;
  }
  return true;
}

} // namespace fovea::gpu
