// A server that misbehaves on purpose, on loopback TCP, for the demo: each connection gets the next
// of a list of behaviours.
#ifndef REDIAL_TOOLS_FLAKY_SERVER_H_
#define REDIAL_TOOLS_FLAKY_SERVER_H_

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "redial/listener.h"
#include "redial/runtime.h"

namespace redial::tools {

enum class Behaviour {
  kAnswer,  // a line in, "+PONG\r\n" out
  kStall,   // a line in, and then nothing
  kCutOff,  // a line in, half a reply out, and closed
};

// Made on a port that refuses connections until `Open`. Used by one thread.
class FlakyServer {
 public:
  static absl::StatusOr<std::unique_ptr<FlakyServer>> Create();
  FlakyServer(const FlakyServer&) = delete;
  FlakyServer& operator=(const FlakyServer&) = delete;
  ~FlakyServer() { Close(); }

  // "tcp://127.0.0.1:port".
  std::string target() const;
  // Accepts from now on; a connection beyond the list behaves as the last of it.
  absl::Status Open(std::vector<Behaviour> behaviours);
  // Refuses again.
  void Close();

 private:
  explicit FlakyServer(Address address) : address_(std::move(address)) {}
  void Serve(const std::vector<Behaviour>& behaviours, const std::stop_token& stop);

  const Address address_;
  std::optional<Listener> listener_;
  std::stop_source stop_{std::nostopstate};
  std::optional<Task> task_;
};

}  // namespace redial::tools

#endif  // REDIAL_TOOLS_FLAKY_SERVER_H_
