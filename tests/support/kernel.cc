#include "tests/support/kernel.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "redial/runtime.h"
#include "redial/time.h"

namespace redial::testing {
namespace {

void Check(bool fine) {
  if (!fine) std::abort();
}

socklen_t MakeAddress(const std::string& host, uint16_t port, sockaddr_storage& storage) {
  storage = {};
  auto* ipv4 = reinterpret_cast<sockaddr_in*>(&storage);
  if (::inet_pton(AF_INET, host.c_str(), &ipv4->sin_addr) == 1) {
    ipv4->sin_family = AF_INET;
    ipv4->sin_port = htons(port);
    return sizeof *ipv4;
  }
  auto* ipv6 = reinterpret_cast<sockaddr_in6*>(&storage);
  Check(::inet_pton(AF_INET6, host.c_str(), &ipv6->sin6_addr) == 1);
  ipv6->sin6_family = AF_INET6;
  ipv6->sin6_port = htons(port);
  return sizeof *ipv6;
}

uint16_t PortOf(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  Check(::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) == 0);
  // Both families keep it in the same place.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

int Bound(int type, const std::string& host, uint16_t port) {
  sockaddr_storage storage;
  const socklen_t size = MakeAddress(host, port, storage);
  const int fd = ::socket(storage.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  Check(fd >= 0);
  const int one = 1;
  Check(::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&storage), size) == 0) return fd;
  ::close(fd);
  return -1;
}

}  // namespace

size_t CountDescriptors() {
  // A thread's first wait makes the descriptor that wakes it, which then stays. On a busy machine the
  // deadline may have passed before the wait begins, but not each time.
  Runtime& runtime = Runtime::Threads();
  for (int i = 0; i < 4; ++i) {
    (void)runtime.SleepUntil(Deadline::After(runtime.Now(), absl::Microseconds(100)), {});
  }
  DIR* directory = ::opendir("/proc/self/fd");
  Check(directory != nullptr);
  size_t count = 0;
  while (::readdir(directory) != nullptr) ++count;
  ::closedir(directory);
  return count;
}

std::string Host(int number) {
  const int pid = ::getpid();
  return "127." + std::to_string(1 + (pid >> 8) % 254) + "." + std::to_string(pid & 0xff) + "." +
         std::to_string(number);
}

uint16_t FreePort(const std::string& host) {
  for (;;) {
    const int tcp = Bound(SOCK_STREAM, host, 0);
    Check(tcp >= 0);
    const uint16_t port = PortOf(tcp);
    const int udp = Bound(SOCK_DGRAM, host, port);
    ::close(tcp);
    if (udp < 0) continue;
    ::close(udp);
    return port;
  }
}

TemporaryFile::TemporaryFile(const std::string& content) {
  const char* directory = std::getenv("TMPDIR");
  path_ = std::string(directory == nullptr ? "/tmp" : directory) + "/redial_test_XXXXXX";
  const int fd = ::mkostemp(path_.data(), O_CLOEXEC);
  Check(fd >= 0);
  Check(::write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  ::close(fd);
}

TemporaryFile::~TemporaryFile() { ::unlink(path_.c_str()); }

ScopedVariable::ScopedVariable(const char* name, const std::string& value) : name_(name) {
  Check(::setenv(name, value.c_str(), 1) == 0);
}

ScopedVariable::~ScopedVariable() { ::unsetenv(name_); }

NoMoreDescriptors::NoMoreDescriptors() {
  Check(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
  rlimit tight = before_;
  tight.rlim_cur = 256;
  Check(::setrlimit(RLIMIT_NOFILE, &tight) == 0);
  for (;;) {
    const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0) break;
    fillers_.push_back(fd);
  }
  Check(errno == EMFILE);
}

NoMoreDescriptors::~NoMoreDescriptors() {
  for (const int fd : fillers_) ::close(fd);
  Check(::setrlimit(RLIMIT_NOFILE, &before_) == 0);
}

BlackHole::BlackHole(const std::string& host, uint16_t port) : fd_(Bound(SOCK_STREAM, host, port)) {
  Check(fd_ >= 0);
  sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog program{.len = 1, .filter = &drop_all};
  Check(::setsockopt(fd_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0);
  Check(::listen(fd_, 16) == 0);
  port_ = PortOf(fd_);
}

void BlackHole::Open() {
  const int ignored = 0;
  Check(::setsockopt(fd_, SOL_SOCKET, SO_DETACH_FILTER, &ignored, sizeof ignored) == 0);
}

BlackHole::~BlackHole() { ::close(fd_); }

}  // namespace redial::testing
