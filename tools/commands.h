// The subcommands of `redial`. Each returns the program's exit code.
#ifndef REDIAL_TOOLS_COMMANDS_H_
#define REDIAL_TOOLS_COMMANDS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace redial::tools {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailed = 1;        // the target failed
inline constexpr int kExitUsage = 2;         // bad arguments
inline constexpr int kExitDeadline = 124;    // the deadline passed, as timeout(1) has it
inline constexpr int kExitCannotExec = 126;  // as a shell has it
inline constexpr int kExitNoCommand = 127;

struct ProbeArguments {
  std::string target;
  std::optional<std::string> send;    // escapes not yet resolved
  std::optional<std::string> expect;  // likewise
  bool idempotent = false;
  std::string deadline = "10s";
  std::optional<std::string> attempt_timeout;
  int attempts = 3;
  bool fail_fast = false;
  bool json = false;
};
int Probe(const ProbeArguments& arguments);

struct WaitArguments {
  std::vector<std::string> targets;
  std::string deadline = "15s";
  std::vector<std::string> command;
};
int WaitFor(const WaitArguments& arguments);

int Demo();

}  // namespace redial::tools

#endif  // REDIAL_TOOLS_COMMANDS_H_
