// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The arguments of one call: from npy files, from --arg, or random; and the
// results.
#ifndef FOVEA_TOOLS_FOVEA_ARGUMENTS_H
#define FOVEA_TOOLS_FOVEA_ARGUMENTS_H

#include "tools/fovea/Session.h"
#include "tools/fovea/Shape.h"
#include "tools/fovea/SpecArguments.h"

#include <map>
#include <string>
#include <vector>

namespace fovea::cli {

/// The options that say what to call a kernel with.
struct CallOptions {
  std::string shape;
  std::vector<std::string> inputs;  ///< "q=Q.npy"
  std::vector<std::string> scalars; ///< "pages=64"
  uint64_t seed = 1;

  void addTo(CLI::App &command, bool shapeRequired);
  /// What repeats the call on a command line.
  std::string commandLine() const;
};

class Arguments {
public:
  /// Dims that nothing gives take their value from `defaults`, else it is a
  /// Failure. What no file or number gives is made at random for `spec`; null:
  /// everything must be given.
  Arguments(const Session &session, const CallOptions &call,
            mlir::func::FuncOp spec, const Shape &defaults = {});

  /// In the order of the runtime: arguments, then results.
  const std::vector<fovea_value> &values() const { return list; }
  const std::vector<HostValue> &inputs() const { return given; }
  const std::vector<HostTensor> &results() const { return outputs; }
  const HostTensor &tensor(size_t index) const;
  const std::vector<fovea_arg_info> &infos() const { return session.args(); }
  const Shape &shape() const { return dims; }
  /// Names of the inputs that were filled at random.
  const std::vector<std::string> &randomInputs() const { return random; }
  /// Fills the results with NaN, so that what a kernel leaves out shows.
  void poisonResults();

private:
  void setScalars(const CallOptions &call);
  void bindShape(const Shape &shape, const std::string &from);
  void bindDims(const fovea_arg_info &arg, const std::vector<int64_t> &shape,
                const std::string &from);
  void loadInputs(const CallOptions &call);
  void loadInput(const std::string &name, const std::string &path);
  void fillMissing(const CallOptions &call, mlir::func::FuncOp spec);
  void makeResults();
  int find(const std::string &name) const;
  bool encodes(size_t index) const;

  const Session &session;
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
       bool deterministic = false);
  ~Call();
  Call(const Call &) = delete;
  Call &operator=(const Call &) = delete;

  void update();
  void run();
  fovea_plan *plan() const { return thePlan; }

private:
  const Session &session;
  const Arguments &arguments;
  fovea_plan *thePlan = nullptr;
  void *workspace = nullptr;
};

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_ARGUMENTS_H
