// What tests do to the process and the kernel around them, undone when it goes out of scope.
#ifndef REDIAL_TESTS_SUPPORT_KERNEL_H_
#define REDIAL_TESTS_SUPPORT_KERNEL_H_

#include <sys/resource.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace redial::testing {

// How many descriptors this process has open.
size_t CountDescriptors();

// "127.77.12.3" for 3: one of the loopback addresses that this process alone uses, so that tests
// which run beside each other don't take each other's ports.
std::string Host(int number);

// A port of `host` that nobody listens on, over TCP or UDP.
uint16_t FreePort(const std::string& host);

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content);
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile();

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Sets an environment variable. Not while other threads look at the environment.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const std::string& value);
  ScopedVariable(const ScopedVariable&) = delete;
  ScopedVariable& operator=(const ScopedVariable&) = delete;
  ~ScopedVariable();

 private:
  const char* const name_;
};

// Every further descriptor fails with EMFILE.
class NoMoreDescriptors {
 public:
  NoMoreDescriptors();
  NoMoreDescriptors(const NoMoreDescriptors&) = delete;
  NoMoreDescriptors& operator=(const NoMoreDescriptors&) = delete;
  ~NoMoreDescriptors();

 private:
  rlimit before_{};
  std::vector<int> fillers_;
};

// A listener that says nothing to who connects: every packet to it is dropped.
class BlackHole {
 public:
  // On `host` (as from `Host`, or "::1") at `port`, 0 for a free one.
  explicit BlackHole(const std::string& host, uint16_t port = 0);
  BlackHole(const BlackHole&) = delete;
  BlackHole& operator=(const BlackHole&) = delete;
  ~BlackHole();

  uint16_t port() const { return port_; }
  // No more: the next retransmission, within a second or so, is answered.
  void Open();

 private:
  int fd_;
  uint16_t port_ = 0;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SUPPORT_KERNEL_H_
