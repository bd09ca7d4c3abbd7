#include "tools/flaky_server.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace redial::tools {
namespace {

void Behave(Socket& socket, Behaviour behaviour) {
  if (!socket.ReadUntil("\r\n").ok()) return;
  switch (behaviour) {
    case Behaviour::kAnswer:
      if (socket.Write("+PONG\r\n").ok()) (void)socket.ReadUntil("\r\n");
      break;
    case Behaviour::kStall:
      (void)socket.ReadUntil("\r\n");  // until the client has had enough
      break;
    case Behaviour::kCutOff:
      (void)socket.Write("+PO");
      break;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<FlakyServer>> FlakyServer::Create() {
  // Taking a port and giving it back leaves one where nobody listens.
  absl::StatusOr<Listener> reserved = Listener::Listen(Address::Ipv4({127, 0, 0, 1}, 0));
  if (!reserved.ok()) return reserved.status();
  return std::unique_ptr<FlakyServer>(new FlakyServer(reserved->local()));
}

std::string FlakyServer::target() const { return absl::StrCat("tcp://", address_.ToString()); }

absl::Status FlakyServer::Open(std::vector<Behaviour> behaviours) {
  Close();
  absl::StatusOr<Listener> listener = Listener::Listen(address_);
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);
  stop_ = std::stop_source();
  absl::StatusOr<Task> task =
      Runtime::Current().Spawn([this, behaviours = std::move(behaviours),
                                stop = stop_.get_token()] { Serve(behaviours, stop); });
  if (!task.ok()) return task.status();
  task_ = *std::move(task);
  return absl::OkStatus();
}

void FlakyServer::Close() {
  stop_.request_stop();
  task_.reset();
  listener_.reset();
}

void FlakyServer::Serve(const std::vector<Behaviour>& behaviours, const std::stop_token& stop) {
  for (size_t i = 0;; ++i) {
    absl::StatusOr<Socket> socket = listener_->Accept(Deadline::Never(), stop);
    if (!socket.ok()) return;
    socket->set_stop_token(stop);
    Behave(*socket, behaviours[std::min(i, behaviours.size() - 1)]);
  }
}

}  // namespace redial::tools
