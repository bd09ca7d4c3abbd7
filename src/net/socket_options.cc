#include "src/net/socket_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <limits>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "redial/network.h"
#include "src/core/strings.h"

namespace redial {
namespace {

// The kernel's own bounds.
constexpr int kMaxKeepaliveSeconds = 32767;
constexpr int kMaxKeepaliveProbes = 127;
constexpr absl::Duration kMaxUserTimeout = absl::Milliseconds(std::numeric_limits<int>::max());

template <typename Value>
absl::Status Unfit(std::string_view field, const Value& value, std::string_view allowed) {
  return absl::InvalidArgumentError(absl::StrCat(internal::ToAbsl(field), " is ", value,
                                                 "; it must be ", internal::ToAbsl(allowed)));
}

bool IsWholeSeconds(absl::Duration d) {
  return d >= absl::Seconds(1) && d <= absl::Seconds(kMaxKeepaliveSeconds) &&
         absl::Trunc(d, absl::Seconds(1)) == d;
}

absl::Status CheckBuffer(std::string_view field, int bytes) {
  if (bytes >= 0) return absl::OkStatus();
  return Unfit(field, bytes, "at least 0 bytes (0: the kernel's own)");
}

absl::Status CheckKeepalive(const SocketOptions& options) {
  if (!IsWholeSeconds(options.keepalive_idle) &&
      options.keepalive_idle != absl::InfiniteDuration()) {
    return Unfit("SocketOptions.keepalive_idle", absl::FormatDuration(options.keepalive_idle),
                 "whole seconds from 1 to 32767, or infinite (no probes)");
  }
  if (!IsWholeSeconds(options.keepalive_interval)) {
    return Unfit("SocketOptions.keepalive_interval",
                 absl::FormatDuration(options.keepalive_interval), "whole seconds from 1 to 32767");
  }
  if (options.keepalive_probes < 1 || options.keepalive_probes > kMaxKeepaliveProbes) {
    return Unfit("SocketOptions.keepalive_probes", options.keepalive_probes, "from 1 to 127");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SocketOptions::Validate() const {
  if (absl::Status status = CheckKeepalive(*this); !status.ok()) return status;
  const bool bounded = user_timeout >= absl::Milliseconds(1) && user_timeout <= kMaxUserTimeout;
  if (!bounded && user_timeout != absl::InfiniteDuration()) {
    return Unfit("SocketOptions.user_timeout", absl::FormatDuration(user_timeout),
                 "from 1ms to 24 days, or infinite (the kernel's own)");
  }
  if (absl::Status status = CheckBuffer("SocketOptions.send_buffer", send_buffer); !status.ok()) {
    return status;
  }
  return CheckBuffer("SocketOptions.receive_buffer", receive_buffer);
}

absl::Status DatagramOptions::Validate() const {
  if (absl::Status status = CheckBuffer("DatagramOptions.send_buffer", send_buffer); !status.ok()) {
    return status;
  }
  return CheckBuffer("DatagramOptions.receive_buffer", receive_buffer);
}

absl::Status ListenOptions::Validate() const {
  if (backlog < 0) {
    return Unfit("ListenOptions.backlog", backlog, "at least 0");
  }
  return socket.Validate();
}

namespace internal {
namespace {

// Sets options until one is refused.
class Setter {
 public:
  explicit Setter(int fd) : fd_(fd) {}
  void Set(int level, int option, int value) {
    if (error_ != 0) return;
    if (::setsockopt(fd_, level, option, &value, sizeof(value)) != 0) error_ = errno;
  }
  // Zero leaves one alone.
  void SetBuffers(int send, int receive) {
    if (send > 0) Set(SOL_SOCKET, SO_SNDBUF, send);
    if (receive > 0) Set(SOL_SOCKET, SO_RCVBUF, receive);
  }
  int error() const { return error_; }

 private:
  const int fd_;
  int error_ = 0;
};

int WholeSeconds(absl::Duration d) { return static_cast<int>(absl::ToInt64Seconds(d)); }

}  // namespace

int ApplySocketOptions(int fd, sa_family_t family, const SocketOptions& options) {
  Setter setter(fd);
  setter.SetBuffers(options.send_buffer, options.receive_buffer);
  if (family != AF_INET && family != AF_INET6) return setter.error();
  if (options.no_delay) setter.Set(IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.keepalive_idle != absl::InfiniteDuration()) {
    setter.Set(IPPROTO_TCP, TCP_KEEPIDLE, WholeSeconds(options.keepalive_idle));
    setter.Set(IPPROTO_TCP, TCP_KEEPINTVL, WholeSeconds(options.keepalive_interval));
    setter.Set(IPPROTO_TCP, TCP_KEEPCNT, options.keepalive_probes);
    setter.Set(SOL_SOCKET, SO_KEEPALIVE, 1);
  }
  if (options.user_timeout != absl::InfiniteDuration()) {
    const absl::Duration up = absl::Ceil(options.user_timeout, absl::Milliseconds(1));
    setter.Set(IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(absl::ToInt64Milliseconds(up)));
  }
  return setter.error();
}

int ApplyDatagramOptions(int fd, const DatagramOptions& options) {
  Setter setter(fd);
  setter.SetBuffers(options.send_buffer, options.receive_buffer);
  return setter.error();
}

}  // namespace internal
}  // namespace redial
