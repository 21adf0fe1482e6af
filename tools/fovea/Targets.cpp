// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// `fovea targets`: what code can be made for, and what runs here.
#include "tools/fovea/Cli.h"

#include "codegen/target/Schedule.h"
#include "codegen/target/Target.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace fovea;
using namespace fovea::cli;

static void listTargets(bool why, bool schedules) {
  llvm::raw_ostream &os = llvm::outs();
  llvm::StringMap<bool> features = hostFeatures();
  auto host = resolveTarget("host", features);
  std::string hostName;
  if (host)
    hostName = (*host)->name;
  else
    llvm::consumeError(host.takeError());
  for (const TargetInfo &target : allTargets()) {
    std::string reason = whyNotRunnable(target, features);
    os << llvm::left_justify(target.name, 16)
       << (reason.empty() ? "runs here" : "compiles ")
       << (target.name == hostName ? " (host)  " : "         ")
       << target.summary << "\n";
    if (why)
      os << "                "
         << (reason.empty() ? "this machine has all that it needs" : reason)
         << "\n";
  }
  if (schedules)
    os << "\n" << scheduleTableText();
  os.flush();
}

void cli::addTargets(CLI::App &app, int &) {
  CLI::App *command = app.add_subcommand(
      "targets", "List what code can be made for, and which of it runs here");
  static bool why = false, schedules = false;
  command->add_flag("--why", why,
                    "Say of each target why it does or does not run here");
  command->add_flag("--schedules", schedules,
                    "Print the schedule tables: tile sizes per instruction "
                    "set, storage type and head dim");
  command->callback([] { listTargets(why, schedules); });
}
