// The half of a world that the kernel provides.
#ifndef REDIAL_TESTS_CONFORMANCE_KERNEL_WORLD_H_
#define REDIAL_TESTS_CONFORMANCE_KERNEL_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "redial/address.h"
#include "redial/socket.h"
#include "tests/conformance/world.h"

namespace redial::conformance {

class KernelWorld : public World {
 public:
  KernelWorld();
  ~KernelWorld() override;

  std::string Host(int number) override;
  std::unique_ptr<BlackHole> MakeBlackHole(Address::Family family, uint16_t port) override;
  uint16_t FreePort() override;
  void Reset(Socket& socket) override;
  void Deafen(const Socket& socket) override;
  Names& names() override { return *names_; }
  size_t CountOpen() override;

 private:
  const std::unique_ptr<Names> names_;
};

}  // namespace redial::conformance

#endif  // REDIAL_TESTS_CONFORMANCE_KERNEL_WORLD_H_
