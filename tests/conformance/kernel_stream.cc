#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>

#include "redial/descriptor.h"
#include "tests/conformance/waiting_world.h"

namespace redial::conformance {
namespace {

class KernelStream final : public ByteStream {
 public:
  explicit KernelStream(int fd) : descriptor_(fd) {}

  Try TryRead(absl::Span<char> buffer) override {
    return Inside(Descriptor::kRead,
                  [&](int fd) { return ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT); });
  }
  Try TryWrite(std::string_view data) override {
    return Inside(Descriptor::kWrite, [&](int fd) {
      return ::send(fd, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    });
  }
  Source& readable() override { return descriptor_.readable(); }
  Source& writable() override { return descriptor_.writable(); }
  void Close() override { descriptor_.Close(); }
  void Poke() override { descriptor_.Poke(); }

 private:
  template <typename SystemCall>
  Try Inside(Descriptor::Direction direction, SystemCall call) {
    const int fd = descriptor_.Enter(direction);
    if (fd < 0) return {.error = -fd};
    ssize_t n;
    do n = call(fd);
    while (n < 0 && errno == EINTR);
    const int error = errno;
    descriptor_.Leave(direction);
    if (n < 0) return {.error = error};
    return {.bytes = static_cast<size_t>(n)};
  }

  Descriptor descriptor_;
};

}  // namespace

StreamPair ConnectThroughKernel() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) std::abort();
  const int size = 4096;
  for (const int fd : fds) ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
  return {std::make_unique<KernelStream>(fds[0]), std::make_unique<KernelStream>(fds[1])};
}

}  // namespace redial::conformance
