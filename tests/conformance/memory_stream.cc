#include <algorithm>
#include <cerrno>
#include <string>

#include "tests/conformance/waiting_world.h"

namespace redial::conformance {
namespace {

constexpr size_t kCapacity = 4096;

// One direction: who writes, who reads, and what lies between. As strict as edge-triggered epoll:
// an end is told of a change once.
struct Pipe {
  std::string bytes;
  bool write_closed = false;
  bool read_closed = false;
  Event readable;
  Event writable;
};

// For one thread: virtual time has no other.
class MemoryStream final : public ByteStream {
 public:
  MemoryStream(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out)
      : in_(std::move(in)), out_(std::move(out)) {}
  ~MemoryStream() override { Close(); }

  Try TryRead(absl::Span<char> buffer) override {
    if (in_->read_closed) return {.error = EBADF};
    if (in_->bytes.empty()) return {.error = in_->write_closed ? 0 : EAGAIN};
    const size_t n = in_->bytes.copy(buffer.data(), buffer.size());
    in_->bytes.erase(0, n);
    in_->writable.Set();
    return {.bytes = n};
  }

  Try TryWrite(std::string_view data) override {
    if (out_->write_closed) return {.error = EBADF};
    if (out_->read_closed) return {.error = EPIPE};
    const size_t n = std::min(data.size(), kCapacity - out_->bytes.size());
    if (n == 0 && !data.empty()) return {.error = EAGAIN};
    out_->bytes.append(data.substr(0, n));
    out_->readable.Set();
    return {.bytes = n};
  }

  Source& readable() override { return in_->readable; }
  Source& writable() override { return out_->writable; }

  void Close() override {
    in_->read_closed = true;
    out_->write_closed = true;
    for (Pipe* pipe : {in_.get(), out_.get()}) {
      pipe->readable.Set();
      pipe->writable.Set();
    }
  }

  void Poke() override {
    in_->readable.Set();
    out_->writable.Set();
  }

 private:
  const std::shared_ptr<Pipe> in_;
  const std::shared_ptr<Pipe> out_;
};

}  // namespace

StreamPair ConnectInMemory() {
  auto there = std::make_shared<Pipe>();
  auto back = std::make_shared<Pipe>();
  return {std::make_unique<MemoryStream>(back, there), std::make_unique<MemoryStream>(there, back)};
}

}  // namespace redial::conformance
