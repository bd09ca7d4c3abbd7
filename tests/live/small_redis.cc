#include "tests/live/small_redis.h"

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "redial/redial.h"

namespace redial::testing {
namespace {

using Command = std::vector<std::string>;

// "*2\r\n" is 2 for '*'.
absl::StatusOr<size_t> ReadNumber(Socket& socket, char type) {
  auto line = socket.ReadUntil("\r\n");
  if (!line.ok()) return line.status();
  size_t number = 0;
  if (line->front() != type || !absl::SimpleAtoi(line->substr(1, line->size() - 3), &number)) {
    return absl::InvalidArgumentError(*line);
  }
  return number;
}

absl::StatusOr<Command> ReadCommand(Socket& socket) {
  auto words = ReadNumber(socket, '*');
  if (!words.ok()) return words.status();
  Command command;
  while (command.size() < *words) {
    auto size = ReadNumber(socket, '$');
    if (!size.ok()) return size.status();
    auto word = socket.ReadExactly(*size + 2);
    if (!word.ok()) return word.status();
    command.push_back(word->substr(0, *size));
  }
  return command;
}

std::string Increment(std::string& value) {
  int64_t number = 0;
  if (!value.empty() && !absl::SimpleAtoi(value, &number)) {
    return "-ERR value is not an integer or out of range\r\n";
  }
  value = absl::StrCat(number + 1);
  return absl::StrCat(":", value, "\r\n");
}

std::string Execute(const Command& command, RedisDisk& disk) {
  const std::string_view name = command.empty() ? "" : std::string_view(command[0]);
  if (name == "PING") return "+PONG\r\n";
  if (name == "INCR" && command.size() == 2) return Increment(disk.values[command[1]]);
  if (name == "SET" && command.size() == 3) {
    disk.values[command[1]] = command[2];
    return "+OK\r\n";
  }
  if (name == "GET" && command.size() == 2) {
    const auto found = disk.values.find(command[1]);
    if (found == disk.values.end()) return "$-1\r\n";
    return absl::StrCat("$", found->second.size(), "\r\n", found->second, "\r\n");
  }
  return "-ERR unknown command\r\n";
}

// False when its host goes down meanwhile.
bool Work(absl::Duration pace) {
  Runtime& runtime = Runtime::Current();
  return runtime.SleepUntil(Deadline::After(runtime.Now(), pace), {}) == WaitResult::kTimedOut;
}

void Serve(Socket socket, RedisDisk& disk, absl::Duration pace) {
  for (;;) {
    const absl::StatusOr<Command> command = ReadCommand(socket);
    if (!command.ok() || !Work(pace)) return;
    const std::string reply = Execute(*command, disk);
    if (!Work(pace) || !socket.Write(reply).ok()) return;
  }
}

}  // namespace

absl::Status ServeRedis(RedisDisk& disk, const SmallRedisOptions& options) {
  auto listener = Listener::Listen(Address::Ipv4({0, 0, 0, 0}, options.port));
  if (!listener.ok()) return listener.status();
  std::vector<Task> connections;
  for (;;) {
    auto accepted = listener->Accept();
    if (!accepted.ok()) return accepted.status();
    auto connection = Runtime::Current().Spawn(
        [socket = *std::move(accepted), &disk, pace = options.pace]() mutable {
          Serve(std::move(socket), disk, pace);
        });
    if (!connection.ok()) return connection.status();
    connections.push_back(*std::move(connection));
  }
}

}  // namespace redial::testing
