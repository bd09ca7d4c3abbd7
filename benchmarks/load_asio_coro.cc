// Asio's coroutines: one for each connection, with a timer for each read that cancels it.
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
using Awaitable = asio::awaitable<void, Executor>;
constexpr asio::use_awaitable_t<Executor> kAwait;

struct Connection {
  Connection(asio::io_context& io, int fd) : socket(io, Tcp::v4(), fd), timer(io) {
    socket.non_blocking(true);
  }

  Awaitable Read(std::chrono::seconds limit) {
    for (size_t done = 0; done < kTripSize;) {
      timer.expires_after(limit);
      timer.async_wait([this](asio::error_code error) {
        if (!error) socket.cancel();
      });
      done += co_await socket.async_read_some(asio::buffer(buffer + done, kRoom - done), kAwait);
      timer.cancel();
    }
  }

  // Tried at once, which costs less than asking Asio to.
  Awaitable GoRound(Window& window) {
    do {
      asio::error_code error;
      const size_t done = socket.write_some(asio::buffer(buffer, kTripSize), error);
      if (error && error != asio::error::would_block) std::abort();
      if (done < kTripSize) {
        co_await asio::async_write(socket, asio::buffer(buffer + done, kTripSize - done), kAwait);
      }
      co_await Read(std::chrono::seconds(kReadSeconds));
    } while (window.GoOn());
  }

  AsioSocket socket;
  AsioTimer timer;
  char buffer[kRoom] = {};
};

class AsioCoroutineLoad final : public Load {
 public:
  explicit AsioCoroutineLoad(const std::vector<int>& fds) {
    for (const int fd : fds) connections_.emplace_back(io_, fd);
  }

  void Run(Window& window) override {
    for (Connection& connection : connections_) {
      asio::co_spawn(io_, connection.GoRound(window), asio::detached);
    }
    io_.run();
    io_.restart();
  }

  void Hold(const std::function<void()>& held) override {
    Window once(0, 1);
    Run(once);
    for (Connection& connection : connections_) {
      asio::co_spawn(io_, connection.Read(std::chrono::seconds(kHoldSeconds)), asio::detached);
    }
    io_.poll();
    held();
    io_.run();
  }

 private:
  asio::io_context io_{1};
  std::deque<Connection> connections_;
};

}  // namespace

std::unique_ptr<Load> MakeAsioCoroutineLoad(const std::vector<int>& fds) {
  return std::make_unique<AsioCoroutineLoad>(fds);
}

}  // namespace redial::benchmarks
