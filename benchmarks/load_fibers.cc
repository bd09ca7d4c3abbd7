// redial's fibers: one for each connection, in the code that a thread would run, on one worker.
// Every read is bounded by the socket's timeout and can be stopped.
#include <cstdlib>
#include <stop_token>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmarks/load.h"
#include "redial/dial.h"
#include "redial/fiber.h"
#include "redial/socket.h"
#include "redial/target.h"

namespace redial::benchmarks {
namespace {

void Bound(Socket& socket, int seconds) {
  if (!socket.set_operation_timeout(absl::Seconds(seconds)).ok()) std::abort();
}

void Trip(Socket& socket, char* buffer) {
  if (!socket.Write({buffer, kTripSize}).ok()) std::abort();
  for (size_t done = 0; done < kTripSize;) {
    const auto n = socket.Read(absl::MakeSpan(buffer + done, kRoom - done));
    if (!n.ok() || *n == 0) std::abort();
    done += *n;
  }
}

class FiberLoad final : public Load {
 public:
  FiberLoad(int port, int connections)
      : fibers_(FiberRuntime::Create({.on_calling_thread = true})) {
    if (!fibers_.ok()) std::abort();
    const auto target = Target::Parse(absl::StrCat("tcp://127.0.0.1:", port));
    if (!target.ok()) std::abort();
    for (int i = 0; i < connections; ++i) {
      auto socket = Dial(*target);
      if (!socket.ok()) std::abort();
      socket->set_stop_token(stops_.emplace_back().get_token());
      Bound(*socket, kReadSeconds);
      sockets_.push_back(*std::move(socket));
    }
  }

  void Run(Window& window) override {
    OnEach([&](Socket& socket) {
      char buffer[kRoom] = {};
      do Trip(socket, buffer);
      while (window.GoOn());
    });
  }

  void Hold(const std::function<void()>& held) override {
    size_t there = 0;
    OnEach([&](Socket& socket) {
      char buffer[kRoom] = {};
      Trip(socket, buffer);
      Bound(socket, kHoldSeconds);
      if (++there == sockets_.size()) held();
      (void)socket.Read(buffer);
    });
  }

 private:
  // A fiber for each connection; they begin once all of them are there.
  template <class F>
  void OnEach(const F& body) {
    const absl::Status status = fibers_->Run([&] {
      std::vector<Task> tasks;
      tasks.reserve(sockets_.size());
      for (Socket& socket : sockets_) {
        auto task = Runtime::Current().Spawn([&] { body(socket); });
        if (!task.ok()) std::abort();
        tasks.push_back(*std::move(task));
      }
    });
    if (!status.ok()) std::abort();
  }

  std::vector<std::stop_source> stops_;  // one each: any connection can be stopped by itself
  std::vector<Socket> sockets_;
  absl::StatusOr<FiberRuntime> fibers_;
};

}  // namespace

std::unique_ptr<Load> MakeFiberLoad(int port, int connections) {
  return std::make_unique<FiberLoad>(port, connections);
}

}  // namespace redial::benchmarks
