// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The arguments of one call: from npy files, from --arg, or random; and the
// results.
#ifndef FOVEA_TOOLS_FOVEA_ARGUMENTS_H
#define FOVEA_TOOLS_FOVEA_ARGUMENTS_H

#include "tools/fovea/Caches.h"
#include "tools/fovea/DeviceMemory.h"
#include "tools/fovea/Session.h"
#include "tools/fovea/Shape.h"
#include "tools/fovea/SpecArguments.h"
#include "tools/fovea/TreeRows.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fovea::cli {

/// The options that say what to call a kernel with.
struct CallOptions {
  std::string shape;
  std::vector<std::string> inputs;  ///< "q=Q.npy"
  std::vector<std::string> scalars; ///< "pages=64"
  std::string tree;                 ///< what TreeRows takes
  uint64_t seed = 1;
  bool noSharing = false, deterministic = false;

  void addTo(CLI::App &command, bool shapeRequired);
  /// What repeats the call on a command line.
  std::string commandLine() const;
};

class Arguments {
public:
  /// Dims that nothing gives take their value from `defaults`, else it is a
  /// Failure. What no file or number gives is made at random for `spec`; null:
  /// everything must be given. What is not given but has the name of an input
  /// of `like` gets its values, in this kernel's type.
  Arguments(const Session &session, const CallOptions &call,
            mlir::func::FuncOp spec, const Extents &defaults = {},
            const Arguments *like = nullptr);

  /// In the order of the runtime: arguments, then results.
  const std::vector<fovea_value> &values() const { return list; }
  const std::vector<HostValue> &inputs() const { return given; }
  const std::vector<HostTensor> &results() const { return outputs; }
  const HostTensor &tensor(size_t index) const;
  const std::vector<fovea_arg_info> &infos() const { return session.args(); }
  const Shape &shape() const { return dims; }
  /// "b=2,rows=[257,1],sk=1031": what --shape takes.
  std::string shapeText() const;
  /// Of a kernel with caches: the step, and the caches with what it finds in
  /// them; null and none of one without.
  const fovea_batch *batch() const { return hasBatch ? &step : nullptr; }
  const reference::Batch *referenceBatch() const {
    return hasBatch ? &reference : nullptr;
  }
  const Sequences &sequences() const { return theSequences; }
  /// The path of sequence i's tree that a verification would accept at best;
  /// nothing where its rows are a chain.
  std::optional<std::vector<int32_t>> acceptedPath(int64_t i) const;
  const std::vector<std::unique_ptr<HostCache>> &caches() const {
    return hostCaches;
  }
  /// Names of the inputs that were filled at random.
  const std::vector<std::string> &randomInputs() const { return random; }
  /// An input that holds NaN or an infinity, or "".
  std::string notFinite() const;
  /// Fills the results with NaN, so that what a kernel leaves out shows.
  void poisonResults();

private:
  void setScalars(const CallOptions &call);
  std::vector<std::string> dimNames() const;
  std::string rowsName() const;
  void bindDim(const std::string &name, int64_t extent,
               const std::string &from);
  void loadCache(const CacheInfo &info, const std::string &paths);
  void bindSequences(Extents &extents, const Extents &defaults,
                     const CallOptions &call);
  void fillCaches(const CallOptions &call, bool mayBeRandom);
  void sharePrefix(HostValue &value, bool given);
  void makeBatch(const TreeRows &tree, uint64_t seed);
  void checkTree() const;
  void bindShape(const Shape &shape, const std::string &from);
  void bindDims(const fovea_arg_info &arg, const std::vector<int64_t> &shape,
                const std::string &from);
  void loadInputs(const CallOptions &call);
  void loadInput(const std::string &name, const std::string &path);
  void setTensor(const std::string &name, HostTensor values);
  void copyInputs(const Arguments &like);
  void copyCache(size_t index, const Arguments &like);
  void fillMissing(const CallOptions &call, mlir::func::FuncOp spec);
  void checkMemory() const;
  void makeResults();
  int find(const std::string &name) const;
  bool encodes(size_t index) const;

  const Session &session;
  std::vector<CacheInfo> cacheInfos;
  Sequences theSequences;
  bool hasBatch = false;
  fovea_batch step{};
  reference::Batch reference;
  std::vector<uint64_t> ids;
  std::vector<int32_t> rowOffsets, parents;
  std::vector<std::unique_ptr<HostCache>> hostCaches;
  Shape dims;
  std::map<std::string, std::string> dimOrigin;
  std::vector<HostValue> given;
  std::vector<bool> filled; ///< per element of `given`
  std::vector<HostTensor> outputs;
  std::vector<fovea_tensor> views;
  std::vector<fovea_value> list;
  std::vector<std::string> random;
};

/// A plan for exactly this call, its workspace, and running it.
class Call {
public:
  Call(const Session &session, const Arguments &arguments,
       const CallOptions &options);
  ~Call();
  Call(const Call &) = delete;
  Call &operator=(const Call &) = delete;

  void update();
  /// Returns when the results are on the host.
  void run();
  /// The run alone: on a GPU it is only enqueued, and results stay there.
  void enqueue();
  /// Waits for what is enqueued, and fails with what a stage found wrong.
  void wait();
  /// One phase of the run alone, shared out by `executor`; the phases before it
  /// have run.
  void runPhase(int phase, const fovea_executor &executor);
  fovea_plan *plan() const { return thePlan; }

private:
  const std::vector<fovea_value> &values() const {
    return session.onGpu() ? there : arguments.values();
  }
  void copyArguments();

  const Session &session;
  const Arguments &arguments;
  fovea_plan *thePlan = nullptr;
  void *workspace = nullptr;
  // On a GPU: copies of the tensors, and what a run takes.
  std::vector<DeviceMemory> copies;
  std::vector<fovea_tensor> views;
  std::vector<fovea_value> there;
};

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_ARGUMENTS_H
