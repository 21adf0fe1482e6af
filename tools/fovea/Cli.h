// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the subcommands of the driver share: exit codes, failures, suggestions,
// progress. One file per subcommand; each adds itself to the application.
#ifndef FOVEA_TOOLS_FOVEA_CLI_H
#define FOVEA_TOOLS_FOVEA_CLI_H

#include <CLI/CLI.hpp>

#include <stdexcept>
#include <string>
#include <vector>

namespace fovea::cli {

enum ExitCode {
  ExitOk = 0,
  ExitCheckFailed = 1, ///< verify found a wrong result
  ExitUsage = 2,       ///< wrong words on the command line
  ExitRejected = 3,    ///< the input is wrong; diagnostics say where
  ExitMachine = 4      ///< this machine lacks something
};

/// Ends a command with a message and an exit code. An empty message: the
/// diagnostics were printed already.
class Failure : public std::runtime_error {
public:
  Failure(ExitCode code, const std::string &message)
      : std::runtime_error(message), code(code) {}
  const ExitCode code;
};

/// "unknown WHAT 'word', did you mean 'x'? (WHATs: a, b, c)".
std::string unknownWord(const std::string &what, const std::string &word,
                        const std::vector<std::string> &legal);

/// "NAME=VALUE" -> both; a Failure of usage otherwise.
std::pair<std::string, std::string> splitDefinition(const std::string &text,
                                                    const std::string &option);

/// The bytes of a file; a Failure with the system's reason.
std::string readFile(const std::string &path);
/// As replaceFile; a Failure with the system's reason.
void writeFile(const std::string &path, const std::string &bytes);
/// Fails where writeFile(path) could not make its temporary file, before there
/// is work to lose.
void insistOnRoomFor(const std::string &path);
/// Fails where an option that goes by names has `name` twice.
void insistOnce(const std::string &option, const std::string &name,
                std::vector<std::string> &seen);
bool isBundle(const std::string &bytes);

/// One line on standard error that replaces itself, on a terminal only.
class Progress {
public:
  explicit Progress(bool enabled);
  ~Progress();
  void show(const std::string &text);

private:
  bool active;
};

// Each adds its subcommand; `exitCode` is what main returns after it ran.
void addBench(CLI::App &app, int &exitCode);
void addCompare(CLI::App &app, int &exitCode);
void addCompile(CLI::App &app, int &exitCode);
void addExplain(CLI::App &app, int &exitCode);
void addInspect(CLI::App &app, int &exitCode);
void addNew(CLI::App &app, int &exitCode);
void addRun(CLI::App &app, int &exitCode);
void addTargets(CLI::App &app, int &exitCode);
void addTune(CLI::App &app, int &exitCode);
void addVerify(CLI::App &app, int &exitCode);
void addView(CLI::App &app, int &exitCode);

} // namespace fovea::cli

#endif // FOVEA_TOOLS_FOVEA_CLI_H
