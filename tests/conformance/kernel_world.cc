#include "tests/conformance/kernel_world.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <sys/socket.h>

#include <chrono>
#include <vector>

#include "absl/time/time.h"
#include "tests/support/kernel.h"
#include "tests/support/name_server.h"

namespace redial::conformance {
namespace {

class KernelNames final : public Names {
 public:
  void Add(const std::string& name, const std::string& literal) override {
    server_.Add(name, literal);
  }
  void Replace(const std::string& name, const std::string& literal) override {
    server_.Replace(name, literal);
  }
  void Trouble(const std::string& name, const NameTroubles& troubles) override {
    server_.Set(name, {.rcode = troubles.fails ? testing::NameServer::kServFail : 0,
                       .ipv4_delay = absl::ToChronoMilliseconds(troubles.ipv4_delay),
                       .ipv6_delay = absl::ToChronoMilliseconds(troubles.ipv6_delay),
                       .drop_ipv4 = troubles.lose_ipv4,
                       .drop_ipv6 = troubles.lose_ipv6});
  }
  void FallSilent() override { server_.DropAll(); }
  std::vector<std::string> queries() override { return server_.queries(); }
  std::vector<std::string> servers() override { return {server_.address()}; }

 private:
  testing::NameServer server_;
};

class KernelBlackHole final : public BlackHole {
 public:
  KernelBlackHole(const std::string& host, uint16_t port)
      : hole_(host, port), address_(*Address::FromLiteral(host, hole_.port())) {}
  Address address() const override { return address_; }
  void Open() override { hole_.Open(); }

 private:
  testing::BlackHole hole_;
  const Address address_;
};

}  // namespace

KernelWorld::KernelWorld() : names_(std::make_unique<KernelNames>()) {}
KernelWorld::~KernelWorld() = default;

std::string KernelWorld::Host(int number) { return testing::Host(number); }

std::unique_ptr<BlackHole> KernelWorld::MakeBlackHole(Address::Family family, uint16_t port) {
  static int holes = 0;
  const std::string host =
      family == Address::Family::kIpv6 ? "::1" : testing::Host(100 + holes++ % 100);
  return std::make_unique<KernelBlackHole>(host, port);
}

uint16_t KernelWorld::FreePort() { return testing::FreePort(testing::Host(1)); }

void KernelWorld::Reset(Socket& socket) {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  EXPECT_EQ(::setsockopt(socket.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
  socket.Close();
}

void KernelWorld::Deafen(const Socket& socket) {
  sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog program{.len = 1, .filter = &drop_all};
  EXPECT_EQ(::setsockopt(socket.fd(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), 0);
}

size_t KernelWorld::CountOpen() { return testing::CountDescriptors(); }

}  // namespace redial::conformance
