// One scripted connection in use. The client's end is a `Stream`; the peer's end runs the script.
//
// The peer acts in two ways: at once, inside the client's write that met its expectation, and at
// scheduled instants. It does what a kernel does where the client can tell: what was received
// before a reset is still read, an error is reported once and is then an end (reads) or EPIPE
// (writes), and the first write to a peer that closed is accepted.
#ifndef REDIAL_SRC_TESTING_FAKE_CONNECTION_H_
#define REDIAL_SRC_TESTING_FAKE_CONNECTION_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/source.h"
#include "redial/stream.h"
#include "src/testing/fake_state.h"

namespace redial::testing::internal {

// Used by one thread. Lives as long as the network, so that an unmet expectation is told after the
// client has gone.
class FakeConnection : public std::enable_shared_from_this<FakeConnection> {
 public:
  // `name` as messages call it: "tcp://cache:6379, connection 2".
  FakeConnection(FakeNetworkState& network, const ScriptedConnection& script, std::string name,
                 const Address& address)
      : network_(network), script_(script), name_(std::move(name)), address_(address) {}

  // Starts to connect.
  void Begin();
  // Does all that the peer can do now: after a step was added, too.
  void Run();
  // Adds the failures that only the end of the test shows.
  void AppendUnmet();

  Io FinishConnect();
  Io TryRead(absl::Span<char> buffer);
  Io TryWrite(std::string_view data);
  bool HasInput() const { return state_ == State::kConnected && !to_client_.empty(); }
  int ShutdownWrite();
  void Close();
  void Poke();
  const Address& address() const { return address_; }

 private:
  enum class State : uint8_t { kConnecting, kFailed, kConnected };

  void Answer();
  void Later(absl::Duration delay, std::function<void(FakeConnection&)> step);
  // False when the peer can't go on from this step now.
  bool RunStep(const Step& step);
  bool Match(const Step& step);
  void ReplyByte(const Step& step, size_t at);
  void Break(int error);
  void FailUnexpected();
  int TakeError();

  FakeNetworkState& network_;
  const ScriptedConnection& script_;
  const std::string name_;
  const Address address_;
  Event readable_;
  Event writable_;
  State state_ = State::kConnecting;
  bool closed_ = false;       // by the client
  bool shut_ = false;         // ShutdownWrite
  bool pausing_ = false;      // a scheduled function continues the script
  bool peer_closed_ = false;  // reads end
  bool broken_ = false;       // writes fail
  bool wrong_ = false;        // the client departed from the script, which has been told
  int error_ = 0;             // to be reported once
  size_t step_ = 0;
  std::string from_client_;  // not matched yet
  std::string to_client_;    // not read yet
};

// The client's end.
class FakeStream final : public Stream {
 public:
  explicit FakeStream(std::shared_ptr<FakeConnection> connection)
      : connection_(std::move(connection)) {}
  ~FakeStream() override { connection_->Close(); }

  Io FinishConnect() override { return connection_->FinishConnect(); }
  Io TryRead(absl::Span<char> buffer) override { return connection_->TryRead(buffer); }
  Io TryWrite(std::string_view data) override { return connection_->TryWrite(data); }
  bool HasInput() override { return connection_->HasInput(); }
  int ShutdownWrite() override { return connection_->ShutdownWrite(); }
  void Close() override { connection_->Close(); }
  void Poke() override { connection_->Poke(); }
  Address local() const override;
  Address peer() const override { return connection_->address(); }

 private:
  const std::shared_ptr<FakeConnection> connection_;
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_FAKE_CONNECTION_H_
