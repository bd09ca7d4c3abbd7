#include "benchmarks/echo.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "benchmarks/suite.h"

namespace redial::benchmarks {
namespace {

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(1);
}

[[noreturn]] void Echo(int fd) {
  char buffer[4096];
  for (;;) {
    const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0 || send(fd, buffer, static_cast<size_t>(n), MSG_NOSIGNAL) != n) _exit(0);
  }
}

}  // namespace

SocketPair TcpPair() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener, raw, size) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, raw, &size) != 0) {
    Die("listen");
  }
  SocketPair pair;
  pair.ours = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(pair.ours, raw, size) != 0) Die("connect");
  pair.theirs = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (pair.theirs < 0) Die("accept");
  close(listener);
  const int on = 1;
  setsockopt(pair.ours, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(pair.theirs, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return pair;
}

int ConnectToEcho(int cpu) {
  const SocketPair pair = TcpPair();
  const pid_t child = fork();
  if (child < 0) Die("fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    PinTo(cpu);
    close(pair.ours);
    Echo(pair.theirs);
  }
  close(pair.theirs);
  return pair.ours;
}

}  // namespace redial::benchmarks
