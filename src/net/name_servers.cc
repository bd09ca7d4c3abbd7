#include "src/net/name_servers.h"

#include <ares.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/failure.h"
#include "redial/time.h"
#include "src/net/sockaddr.h"
#include "src/net/syscalls.h"

namespace redial::internal {
namespace {

// RFC 1035, section 4.1.1.
constexpr int kFormErr = 1;
constexpr int kServFail = 2;
constexpr int kNxDomain = 3;
constexpr int kNotImp = 4;
constexpr int kRefused = 5;
constexpr size_t kHeaderSize = 12;
constexpr uint16_t kDnsPort = 53;

uint16_t IdOf(const uint8_t* message) {
  return static_cast<uint16_t>(message[0] << 8 | message[1]);
}

// An answer that c-ares passes over, to try the next server.
bool IsRefusal(int rcode) { return rcode != 0 && rcode != kNxDomain; }

// Where no errno says it, the nearest one.
int ErrorOf(int error, int rcode) {
  if (error != 0) return error;
  return IsRefusal(rcode) ? EREMOTEIO : ETIMEDOUT;
}

std::string Outcome(int error, int rcode) {
  switch (rcode) {
    case kFormErr:
      return "failed (FORMERR)";
    case kServFail:
      return "failed (SERVFAIL)";
    case kNotImp:
      return "failed (NOTIMP)";
    case kRefused:
      return "refused to answer (REFUSED)";
    default:
      break;
  }
  if (error == 0) return "did not answer";
  return absl::StrCat("cannot be reached: ", ErrnoText(error), " (", ErrnoName(error), ")");
}

std::string NameOf(const Address& address) {
  return address.port() == kDnsPort ? address.HostString() : address.ToString();
}

}  // namespace

Address AddressFrom(const sockaddr* address, ares_socklen_t length) {
  SockAddr copy;
  copy.size = std::min<socklen_t>(length, sizeof copy.storage);
  std::memcpy(&copy.storage, address, copy.size);
  return FromSockAddr(copy);
}

void NameServers::Attach(ares_channel channel) {
  // c-ares keeps the pointer.
  static constexpr ares_socket_functions kFunctions = {
      .asocket = Open, .aclose = Close, .aconnect = Connect, .arecvfrom = Receive, .asendv = Send};
  ares_set_socket_functions(channel, &kFunctions, this);
}

ares_socket_t NameServers::Open(int family, int type, int protocol, void* self) {
  auto* servers = static_cast<NameServers*>(self);
  const int fd = ::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (fd < 0) {
    servers->socket_error_ = errno;
    return ARES_SOCKET_BAD;
  }
  servers->connections_.push_back({fd, type == SOCK_STREAM, 0, 0});
  return fd;
}

int NameServers::Close(ares_socket_t fd, void* self) {
  auto& connections = static_cast<NameServers*>(self)->connections_;
  std::erase_if(connections, [fd](const Connection& c) { return c.fd == fd; });
  return ::close(fd);
}

int NameServers::Connect(ares_socket_t fd, const sockaddr* address, ares_socklen_t length,
                         void* self) {
  auto* servers = static_cast<NameServers*>(self);
  Connection* connection = servers->Find(fd);
  if (connection != nullptr) connection->server = servers->ServerAt(AddressFrom(address, length));
  const int result = ::connect(fd, address, length);
  if (result < 0 && errno != EINPROGRESS) {
    const int error = errno;
    servers->Failed(fd, error);
    errno = error;
  }
  return result;
}

ares_ssize_t NameServers::Receive(ares_socket_t fd, void* data, size_t size, int flags,
                                  sockaddr* from, ares_socklen_t* from_length, void* self) {
  auto* servers = static_cast<NameServers*>(self);
  if (Connection* connection = servers->Find(fd);
      connection != nullptr && connection->late_error != 0) {
    errno = std::exchange(connection->late_error, 0);
    return -1;
  }
  const ssize_t received = RetryOnEintr(
      [&] { return ::recvfrom(fd, data, size, flags | MSG_DONTWAIT, from, from_length); });
  const int error = errno;
  if (received > 0) {
    servers->ReceivedFrom(
        fd, absl::MakeConstSpan(static_cast<const uint8_t*>(data), static_cast<size_t>(received)));
  } else if (received < 0 && error != EAGAIN) {
    servers->Failed(fd, error);
  }
  errno = error;
  return received;
}

ares_ssize_t NameServers::Send(ares_socket_t fd, const iovec* data, int count, void* self) {
  auto* servers = static_cast<NameServers*>(self);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(data);  // sendmsg doesn't write to it
  message.msg_iovlen = static_cast<size_t>(count);
  const ssize_t sent =
      RetryOnEintr([&] { return ::sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL); });
  const int error = errno;
  if (sent >= 0) {
    servers->SentTo(fd, data, count);
  } else if (error != EAGAIN) {
    servers->Failed(fd, error);
    if (Connection* connection = servers->Find(fd); connection != nullptr && !connection->tcp) {
      connection->late_error = error;
      ares_ssize_t size = 0;
      for (int i = 0; i < count; ++i) size += static_cast<ares_ssize_t>(data[i].iov_len);
      return size;
    }
  }
  errno = error;
  return sent;
}

bool NameServers::late_error() const {
  return std::any_of(connections_.begin(), connections_.end(),
                     [](const Connection& c) { return c.late_error != 0; });
}

NameServers::Connection* NameServers::Find(ares_socket_t fd) {
  const auto it = std::find_if(connections_.begin(), connections_.end(),
                               [fd](const Connection& c) { return c.fd == fd; });
  return it == connections_.end() ? nullptr : &*it;
}

size_t NameServers::ServerAt(const Address& address) {
  const auto it = std::find_if(servers_.begin(), servers_.end(),
                               [&](const Server& s) { return s.address == address; });
  if (it != servers_.end()) return static_cast<size_t>(it - servers_.begin());
  servers_.push_back({.address = address, .asked = now_, .heard = now_, .awaited = {}});
  return servers_.size() - 1;
}

void NameServers::Failed(ares_socket_t fd, int error) {
  const Connection* connection = Find(fd);
  if (connection == nullptr) return;
  Server& server = servers_[connection->server];
  server.error = error;
  server.heard = now_;
}

void NameServers::SentTo(ares_socket_t fd, const iovec* data, int count) {
  const Connection* connection = Find(fd);
  if (connection == nullptr) return;
  Server& server = servers_[connection->server];
  if (connection->tcp) {
    server.awaits_tcp = true;
  } else if (count > 0 && data[0].iov_len >= kHeaderSize) {
    server.awaited.push_back(IdOf(static_cast<const uint8_t*>(data[0].iov_base)));
  }
}

void NameServers::ReceivedFrom(ares_socket_t fd, absl::Span<const uint8_t> data) {
  const Connection* connection = Find(fd);
  if (connection == nullptr) return;
  Server& server = servers_[connection->server];
  if (connection->tcp) {
    server.awaits_tcp = false;
    return;
  }
  if (data.size() < kHeaderSize) return;
  // An id that nobody waits for is somebody's forgery, or a late duplicate.
  if (std::erase(server.awaited, IdOf(data.data())) == 0) return;
  server.error = 0;
  server.rcode = data[3] & 0x0f;
  server.heard = now_;
}

bool NameServers::InVain(const Server& server) {
  return server.error != 0 || IsRefusal(server.rcode) || server.awaits_tcp ||
         !server.awaited.empty();
}

std::vector<AddressTried> NameServers::Tried(Instant now) const {
  std::vector<AddressTried> tried;
  for (const Server& server : servers_) {
    if (!InVain(server)) continue;
    const int error = ErrorOf(server.error, server.rcode);
    tried.push_back({.address = NameOf(server.address),
                     .error = error,
                     .elapsed = (error == ETIMEDOUT ? now : server.heard) - server.asked});
  }
  return tried;
}

std::string NameServers::Describe() const {
  std::vector<std::string> sentences;
  for (const Server& server : servers_) {
    if (!InVain(server)) continue;
    sentences.push_back(absl::StrCat("name server ", NameOf(server.address), " ",
                                     Outcome(server.error, server.rcode)));
  }
  return absl::StrJoin(sentences, "; ");
}

}  // namespace redial::internal
