// Asio in its best form: callbacks on one thread, executors known at compile time, a write that is
// tried at once, and Asio's own recycling of memory.
#include <asio.hpp>
#include <chrono>
#include <deque>

#include "benchmarks/load.h"

namespace redial::benchmarks {
namespace {

using Executor = asio::io_context::executor_type;
using Tcp = asio::ip::tcp;
using AsioSocket = asio::basic_stream_socket<Tcp, Executor>;
using AsioTimer =
    asio::basic_waitable_timer<std::chrono::steady_clock,
                               asio::wait_traits<std::chrono::steady_clock>, Executor>;

// A timer for each read, armed when it begins and cancelled when it ends.
class TimerEach {
 public:
  TimerEach(asio::io_context& io, AsioSocket& socket) : socket_(socket), timer_(io) {}

  void Begin(std::chrono::seconds limit) {
    timer_.expires_after(limit);
    timer_.async_wait([this](asio::error_code error) {
      if (!error) socket_.cancel();
    });
  }
  void End() { timer_.cancel(); }
  void Finish() {}

 private:
  AsioSocket& socket_;
  AsioTimer timer_;
};

// One timer that is left behind by reads that end in time, and looks, when it fires, until when the
// read of that moment may last.
class TimerLeft {
 public:
  TimerLeft(asio::io_context& io, AsioSocket& socket) : socket_(socket), timer_(io) {}

  void Begin(std::chrono::seconds limit) {
    deadline_ = std::chrono::steady_clock::now() + limit;
    if (!armed_) Arm();
  }
  void End() {}
  void Finish() {
    armed_ = false;
    timer_.cancel();
  }

 private:
  void Arm() {
    armed_ = true;
    timer_.expires_at(deadline_);
    timer_.async_wait([this](asio::error_code error) {
      if (error) return;
      if (std::chrono::steady_clock::now() < deadline_) return Arm();
      armed_ = false;
      socket_.cancel();
    });
  }

  AsioSocket& socket_;
  AsioTimer timer_;
  std::chrono::steady_clock::time_point deadline_;
  bool armed_ = false;
};

template <class Limit>
class Connection {
 public:
  Connection(asio::io_context& io, int fd) : socket_(io, Tcp::v4(), fd), limit_(io, socket_) {
    socket_.non_blocking(true);
  }

  // Goes round until `window` says that it's enough.
  void Start(Window& window) {
    window_ = &window;
    Write(0);
  }
  // Waits for what doesn't come.
  void Wait() { Read(0, std::chrono::seconds(kHoldSeconds)); }

 private:
  void Write(size_t done) {
    asio::error_code error;
    done += socket_.write_some(asio::buffer(buffer_ + done, kTripSize - done), error);
    if (done == kTripSize) return Read(0, std::chrono::seconds(kReadSeconds));
    if (error && error != asio::error::would_block) std::abort();
    socket_.async_wait(AsioSocket::wait_write, [this, done](asio::error_code failed) {
      if (failed) std::abort();
      Write(done);
    });
  }

  void Read(size_t done, std::chrono::seconds limit) {
    limit_.Begin(limit);
    socket_.async_read_some(asio::buffer(buffer_ + done, kRoom - done),
                            [=, this](asio::error_code error, size_t n) {
                              limit_.End();
                              if (error) std::abort();
                              if (done + n < kTripSize) return Read(done + n, limit);
                              if (window_->GoOn()) return Write(0);
                              limit_.Finish();
                            });
  }

  AsioSocket socket_;
  Limit limit_;
  Window* window_ = nullptr;
  char buffer_[kRoom] = {};
};

template <class Limit>
class AsioLoad final : public Load {
 public:
  explicit AsioLoad(const std::vector<int>& fds) {
    for (const int fd : fds) connections_.emplace_back(io_, fd);
  }

  void Run(Window& window) override {
    for (Connection<Limit>& connection : connections_) connection.Start(window);
    io_.run();
    io_.restart();
  }

  void Hold(const std::function<void()>& held) override {
    Window once(0, 1);
    Run(once);
    for (Connection<Limit>& connection : connections_) connection.Wait();
    held();
    io_.run();
  }

 private:
  asio::io_context io_{1};
  std::deque<Connection<Limit>> connections_;
};

}  // namespace

std::unique_ptr<Load> MakeAsioLoad(const std::vector<int>& fds) {
  return std::make_unique<AsioLoad<TimerEach>>(fds);
}

std::unique_ptr<Load> MakeLazyAsioLoad(const std::vector<int>& fds) {
  return std::make_unique<AsioLoad<TimerLeft>>(fds);
}

}  // namespace redial::benchmarks
