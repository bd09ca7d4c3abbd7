// The far end of the benchmarks of many connections: sends back what it gets, with as little work of
// its own as the kernel allows, so that what is measured is the near end. The same for every peer.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "benchmarks/part.h"

namespace redial::benchmarks {
namespace {

constexpr int kEvents = 512;

void Watch(int epoll, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) Die("epoll_ctl");
}

int ListenOnLoopback(int& port) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener, raw, size) != 0 || listen(listener, SOMAXCONN) != 0 ||
      getsockname(listener, raw, &size) != 0) {
    Die("listen");
  }
  port = ntohs(address.sin_port);
  return listener;
}

void AcceptOne(int epoll, int listener) {
  const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) Die("accept");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Watch(epoll, fd, EPOLLIN | EPOLLET);
}

// A read that doesn't fill the buffer has emptied the queue: what comes later is a new edge.
void Echo(int fd) {
  char buffer[4096];
  ssize_t n = 0;
  do {
    n = recv(fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0 || send(fd, buffer, static_cast<size_t>(n), MSG_NOSIGNAL) != n) {
      close(fd);
      return;
    }
  } while (n == sizeof buffer);
}

}  // namespace

void ServeEcho(const PartOptions& options) {
  int port = 0;
  const int listener = ListenOnLoopback(port);
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  Watch(epoll, listener, EPOLLIN);
  Watch(epoll, options.control, EPOLLIN);
  for (epoll_event events[kEvents];;) {
    const int ready = epoll_wait(epoll, events, kEvents, -1);
    for (int i = 0; i < ready; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener) {
        AcceptOne(epoll, listener);
      } else if (fd != options.control) {
        Echo(fd);
      } else if (ReadLine(fd).empty()) {
        return;
      } else {
        WriteLine(fd, absl::StrCat(port));
      }
    }
  }
}

}  // namespace redial::benchmarks
