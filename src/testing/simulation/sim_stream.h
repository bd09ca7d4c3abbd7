// What sockets and listeners on a simulated host stand on.
#ifndef REDIAL_SRC_TESTING_SIMULATION_SIM_STREAM_H_
#define REDIAL_SRC_TESTING_SIMULATION_SIM_STREAM_H_

#include <memory>
#include <optional>
#include <string_view>

#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/stream.h"
#include "redial/testing/injection.h"
#include "src/testing/simulation/host_runtime.h"
#include "src/testing/simulation/tcp_end.h"
#include "src/testing/simulation/tcp_listener.h"

namespace redial::testing::internal {

// As `KernelStream` is to a descriptor: it keeps a reset for every later read. Used by one thread.
class SimStream final : public Stream {
 public:
  SimStream(HostRuntime& process, TcpEnd& end) : process_(process), end_(end) {}
  ~SimStream() override { Close(); }

  Io FinishConnect() override;
  Io TryRead(absl::Span<char> buffer) override;
  Io TryWrite(std::string_view data) override;
  bool HasInput() override { return usable() && end_.HasInput(); }
  int ShutdownWrite() override { return usable() ? end_.ShutdownWrite() : EBADF; }
  void Close() override;
  void Poke() override;
  Address local() const override { return local_; }
  Address peer() const override { return peer_; }

  // Asks the injector about the accept that it came from.
  void InjectIntoAccept();

 private:
  bool usable() const { return !closed_ && !process_.dead(); }
  // EBADF, for what is closed or whose process is dead.
  Io Unusable();
  Io Told(Io io);
  Injection Ask(Operation operation, uint64_t offset, size_t size);
  Io InjectIntoWrite(const Injection& injection, std::string_view data);
  Io InjectIntoRead(const Injection& injection, absl::Span<char> buffer);
  // To the connection as a whole.
  void Strike(Injection::Kind kind);

  HostRuntime& process_;
  TcpEnd& end_;
  const Address local_ = end_.local();
  const Address peer_ = end_.remote();
  bool closed_ = false;
  int latched_ = 0;
};

// Used by one thread.
class SimAcceptor final : public Acceptor {
 public:
  SimAcceptor(HostRuntime& process, std::unique_ptr<TcpListener> listener)
      : process_(process), listener_(std::move(listener)) {}
  ~SimAcceptor() override;

  Result TryAccept() override;
  void Close() override;
  void Poke() override { listener_->readable().Set(); }
  Address local() const override { return listener_->local(); }

 private:
  HostRuntime& process_;
  const std::unique_ptr<TcpListener> listener_;
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SIMULATION_SIM_STREAM_H_
