#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "redial/redial.h"
#include "tools/commands.h"
#include "tools/text_arguments.h"

namespace redial::tools {
namespace {

// Whatever goes wrong may be mended while we wait, a name that isn't there yet included.
PolicyList UntilItAccepts(const SinkPtr& sink) {
  return {Retry({.max_attempts = std::numeric_limits<int>::max(),
                 .backoff = Exponential({.base = absl::Milliseconds(50),
                                         .cap = absl::Seconds(1),
                                         .jitter = Jitter::kEqual}),
                 .retry_on = OnAnyFailure()}),
          AttemptTimeout(absl::Seconds(2)), Report(sink)};
}

[[noreturn]] void Exec(const std::vector<std::string>& command) {
  std::vector<std::string> words = command;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::cout.flush();
  execvp(argv[0], argv.data());
  const int error = errno;
  std::cerr << "redial: can't run " << command[0] << ": " << std::strerror(error) << '\n';
  _exit(error == ENOENT ? kExitNoCommand : kExitCannotExec);
}

}  // namespace

int WaitFor(const WaitArguments& arguments) {
  absl::StatusOr<absl::Duration> timeout = ParseDuration(arguments.deadline);
  if (!timeout.ok()) {
    std::cerr << "redial: --deadline: " << timeout.status().message() << '\n';
    return kExitUsage;
  }
  // Several live lines would overwrite each other.
  const SinkPtr sink = ToTerminal(stderr, {.live = arguments.targets.size() == 1});
  std::vector<Client> clients;
  for (const std::string& target : arguments.targets) {
    absl::StatusOr<Client> client = Client::Create(target, UntilItAccepts(sink));
    if (!client.ok()) {
      std::cerr << "redial: " << client.status().message() << '\n';
      return kExitUsage;
    }
    clients.push_back(*std::move(client));
  }

  Runtime& runtime = Runtime::Current();
  const Deadline deadline = Deadline::After(runtime.Now(), *timeout);
  std::atomic<int> missing = 0;
  {
    std::vector<Task> tasks;
    for (const Client& client : clients) {
      auto wait = [&client, &missing, deadline] {
        const absl::Status accepted = client.Call(
            {.operation = "wait", .timeout = absl::InfiniteDuration(), .deadline = deadline},
            [](Socket&) { return absl::OkStatus(); });
        if (!accepted.ok()) ++missing;
      };
      absl::StatusOr<Task> task = runtime.Spawn(wait);
      if (task.ok()) {
        tasks.push_back(*std::move(task));
      } else {
        wait();  // no thread to be had: one after the other, then
      }
    }
  }
  if (missing > 0) return kExitDeadline;
  if (!arguments.command.empty()) Exec(arguments.command);
  return kExitDone;
}

}  // namespace redial::tools
