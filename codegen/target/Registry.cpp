// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The list of targets and the search by name.
#include "codegen/target/Targets.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/TargetParser/Host.h"

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

using namespace llvm;

namespace fovea {

StringRef toString(IsaClass isa) {
  switch (isa) {
  case IsaClass::AVX2:
    return "avx2";
  case IsaClass::AVX512:
    return "avx512";
  case IsaClass::SM80:
    return "sm80";
  case IsaClass::SM90:
    return "sm90";
  }
  llvm_unreachable("covered switch");
}

ArrayRef<TargetInfo> allTargets() {
  // One line per target: CPUs, the most capable last, then GPUs.
  static const TargetInfo targets[] = {
      describeX86V3(),
      describeX86V4(),
      describeX86V4Amx(),
      describeSm80(/*emulated=*/false),
      describeSm90a(/*emulated=*/false),
      describeSm80(/*emulated=*/true),
      describeSm90a(/*emulated=*/true),
  };
  return targets;
}

ArrayRef<TargetInfo> cpuTargets() {
  return allTargets().take_while(
      [](const TargetInfo &target) { return !target.isGpu(); });
}

/// Linux saves a thread's tiles, 8 KB, only for processes that have asked.
static bool mayUseTiles() {
#if defined(__linux__) && defined(__x86_64__)
  constexpr long requestPermission = 0x1023, tileData = 18;
  return syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
#else
  return false;
#endif
}

StringMap<bool> hostFeatures() {
  StringMap<bool> features = sys::getHostCPUFeatures();
  if (features.lookup("amx-tile"))
    features["amx-tile"] = mayUseTiles();
  return features;
}

std::string whyNotRunnable(const TargetInfo &target,
                           const StringMap<bool> &features) {
  if (target.isGpu() && !target.emulated)
    return "its code is for a GPU";
  std::vector<std::string> missing;
  for (const std::string &feature : target.required)
    if (!features.lookup(feature))
      missing.push_back(feature);
  if (missing.empty())
    return "";
  return "this machine lacks " + join(missing, ", ");
}

Expected<const TargetInfo *> resolveTarget(StringRef name) {
  return resolveTarget(name, hostFeatures());
}

Expected<const TargetInfo *> resolveTarget(StringRef name,
                                           const StringMap<bool> &features) {
  ArrayRef<TargetInfo> targets = allTargets();
  if (name == "host") {
    for (const TargetInfo &target : llvm::reverse(cpuTargets()))
      if (whyNotRunnable(target, features).empty())
        return &target;
    return createStringError(inconvertibleErrorCode(),
                             "expected a host that runs " +
                                 targets.front().name + " at least, but " +
                                 whyNotRunnable(targets.front(), features));
  }
  std::string names = "host";
  StringRef nearest = "host";
  unsigned best = name.edit_distance("host");
  for (const TargetInfo &target : targets) {
    if (target.name == name)
      return &target;
    names += ", " + target.name;
    unsigned distance = name.edit_distance(target.name);
    if (distance < best) {
      best = distance;
      nearest = target.name;
    }
  }
  return createStringError(inconvertibleErrorCode(),
                           "unknown target '" + name.str() +
                               "', did you mean '" + nearest.str() +
                               "'? (targets: " + names + ")");
}

Expected<std::vector<const TargetInfo *>> resolveTargets(StringRef names) {
  std::vector<const TargetInfo *> result;
  SmallVector<StringRef> parts;
  names.split(parts, ',');
  for (StringRef part : parts) {
    Expected<const TargetInfo *> target = resolveTarget(part.trim());
    if (!target)
      return target.takeError();
    if (!is_contained(result, *target))
      result.push_back(*target);
  }
  return result;
}

const TargetInfo &planTarget() {
  static const TargetInfo target = [] {
    TargetInfo info;
    info.name = "plan";
    info.summary = "host plan code: x86-64 baseline, integers only";
    info.vectorBits = 128;
    info.triple = "x86_64-unknown-linux-gnu";
    info.cpu = "x86-64";
    return info;
  }();
  return target;
}

} // namespace fovea
