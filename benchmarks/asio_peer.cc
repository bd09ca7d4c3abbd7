#include "benchmarks/asio_peer.h"

#include <asio.hpp>
#include <chrono>

namespace redial::benchmarks {

struct AsioPeer::Impl {
  explicit Impl(int fd) : io(1), socket(io, asio::ip::tcp::v4(), fd), timer(io) {
    socket.non_blocking(true);
  }

  // Stops by a cancellation signal, as redial's does by its stop token.
  void Read(char* buffer, size_t size) {
    done = false;
    socket.async_read_some(
        asio::buffer(buffer, size),
        asio::bind_cancellation_slot(cancel.slot(), [this](asio::error_code error, size_t n) {
          failed = static_cast<bool>(error);
          got += n;
          done = true;
          timer.cancel();
        }));
    timer.async_wait([this](asio::error_code error) {
      if (!error) socket.cancel();
    });
    while (!done) io.run_one();
  }

  asio::io_context io;
  asio::ip::tcp::socket socket;
  asio::steady_timer timer;
  asio::cancellation_signal cancel;
  size_t got = 0;
  bool done = false;
  bool failed = false;
};

AsioPeer::AsioPeer(int fd) : impl_(std::make_unique<Impl>(fd)) {}
AsioPeer::~AsioPeer() = default;

bool AsioPeer::RoundTrip(char* buffer, size_t size) {
  Impl& peer = *impl_;
  peer.timer.expires_after(std::chrono::seconds(1));
  asio::error_code error;
  if (peer.socket.write_some(asio::buffer(buffer, size), error) != size) return false;
  peer.got = 0;
  while (peer.got < size) {
    peer.Read(buffer + peer.got, size - peer.got);
    if (peer.failed) return false;
  }
  return true;
}

}  // namespace redial::benchmarks
