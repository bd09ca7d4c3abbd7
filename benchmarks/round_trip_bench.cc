// round_trip: 64 bytes there and back, both ends on one core, so that every read waits. Each peer
// keeps a deadline and can be stopped, as redial's socket does, save the first, which is plain
// blocking calls.
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <stop_token>

#include "benchmarks/asio_peer.h"
#include "benchmarks/echo.h"
#include "benchmarks/suite.h"
#include "redial/runtime.h"
#include "redial/socket.h"

namespace redial::benchmarks {
namespace {

constexpr int kTrips = 4000;
constexpr size_t kSize = 64;
constexpr int kCpu = 0;

template <class F>
Measured TimeTrips(F trip) {
  PinTo(kCpu);
  const long calls = CountedCalls();
  const double started = NowNanos();
  for (int i = 0; i < kTrips; ++i) trip();
  const double nanos = NowNanos() - started;
  return {nanos / kTrips, static_cast<double>(CountedCalls() - calls) / kTrips};
}

class Ours {
 public:
  Ours() {
    auto adopted = Socket::Adopt(ConnectToEcho(kCpu));
    if (!adopted.ok()) std::abort();
    socket_ = std::make_unique<Socket>(*std::move(adopted));
    socket_->set_stop_token(stop_.get_token());
  }
  void operator()() {
    char buffer[kSize] = {};
    socket_->set_deadline(Deadline::AfterNanos(Runtime::Current().Now(), 1000000000));
    if (!socket_->Write({buffer, kSize}).ok()) std::abort();
    for (size_t got = 0; got < kSize;) {
      const auto n = socket_->Read(absl::MakeSpan(buffer + got, kSize - got));
      if (!n.ok() || *n == 0) std::abort();
      got += *n;
    }
  }

 private:
  std::stop_source stop_;
  std::unique_ptr<Socket> socket_;
};

void BlockingTrip(int fd) {
  char buffer[kSize] = {};
  if (send(fd, buffer, kSize, MSG_NOSIGNAL) != static_cast<ssize_t>(kSize)) std::abort();
  for (size_t got = 0; got < kSize;) {
    const ssize_t n = recv(fd, buffer + got, kSize - got, 0);
    if (n <= 0) std::abort();
    got += static_cast<size_t>(n);
  }
}

// By hand: try, wait with a deadline and an eventfd that the stop token writes to, try again.
class PpollLoop {
 public:
  PpollLoop() : fd_(ConnectToEcho(kCpu)), stop_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  void operator()() {
    char buffer[kSize] = {};
    const double deadline = NowNanos() + 1e9;
    if (stop_.get_token().stop_requested()) std::abort();
    if (send(fd_, buffer, kSize, MSG_NOSIGNAL | MSG_DONTWAIT) != static_cast<ssize_t>(kSize)) {
      std::abort();
    }
    for (size_t got = 0; got < kSize;) {
      if (NowNanos() >= deadline || stop_.get_token().stop_requested()) std::abort();
      const ssize_t n = recv(fd_, buffer + got, kSize - got, MSG_DONTWAIT);
      if (n > 0) {
        got += static_cast<size_t>(n);
      } else if (n < 0 && errno == EAGAIN) {
        Wait(deadline);
      } else {
        std::abort();
      }
    }
  }

 private:
  void Wait(double deadline) {
    const std::stop_callback on_stop(stop_.get_token(), [this] {
      const uint64_t one = 1;
      (void)!write(stop_fd_, &one, sizeof one);
    });
    const auto left = static_cast<int64_t>(deadline - NowNanos());
    if (left <= 0) std::abort();
    const timespec timeout{left / 1000000000, left % 1000000000};
    pollfd both[] = {{fd_, POLLIN, 0}, {stop_fd_, POLLIN, 0}};
    if (ppoll(both, 2, &timeout, nullptr) <= 0) std::abort();
  }

  const int fd_;
  const int stop_fd_;
  std::stop_source stop_;
};

}  // namespace

void AddRoundTripBenchmarks(Suite& suite) {
  // A process each, made before any thread.
  auto ours = std::make_shared<Ours>();
  auto by_hand = std::make_shared<PpollLoop>();
  auto asio_peer = std::make_shared<AsioPeer>(ConnectToEcho(kCpu));
  const int blocking = ConnectToEcho(kCpu);
  const Run run_ours = [ours] { return TimeTrips([&] { (*ours)(); }); };
  suite.Add("round_trip", "blocking, no deadline", run_ours,
            [blocking] { return TimeTrips([&] { BlockingTrip(blocking); }); }, {.ratio = 1.12});
  suite.Add("round_trip_ppoll", "ppoll loop by hand", run_ours,
            [by_hand] { return TimeTrips([&] { (*by_hand)(); }); }, {.ratio = 1.03});
  suite.Add("round_trip_asio", "Asio, timer for each read", run_ours,
            [asio_peer] {
              return TimeTrips([&] {
                char buffer[kSize] = {};
                if (!asio_peer->RoundTrip(buffer, kSize)) std::abort();
              });
            },
            {.ratio = 0.95});
}

}  // namespace redial::benchmarks
