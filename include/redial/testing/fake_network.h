// A network that a test scripts: real clients, sockets, policies and calls run on it in virtual
// time, on one thread, without a port.
//
//   TEST(CachePolicy, RidesOutARefusalAndAStall) {
//     redial::testing::FakeNetwork net;
//     net.Script("tcp://cache:6379")
//         .Refuse()
//         .Accept().Expect("PING\r\n").Stall()
//         .Accept().Expect("PING\r\n").Reply("+PONG\r\n");
//     auto client = redial::Client::Create("tcp://cache:6379", CachePolicies(), {.network = net});
//     ASSERT_TRUE(client.ok()) << client.status();
//     EXPECT_THAT(Ping(*client), redial::testing::IsOkAndHolds("+PONG\r\n"));
//   }   // what wasn't scripted, and what was and didn't happen, fails here
//
// A script is a sequence of connections, in the order in which the client connects; each begins
// with how the connect goes (`Refuse`, `Accept`, …), and an accepted one goes on with what the peer
// does. A step takes no time unless it says so. After its last step the peer is silent.
//
// Names resolve at once, each to an address of its own in 198.18.0.0/15; literal addresses and Unix
// paths are themselves.
//
// Failures of the test: bytes other than the expected ones, at once; and in the destructor
// connects and look-ups that no script provides for, scripted connections that were never used,
// expectations that weren't met, calls that haven't ended, and reservations that calls left
// behind.
//
// Used by one thread, whose current runtime it replaces for as long as it lives. It outlives the
// sockets that came from it.
#ifndef REDIAL_TESTING_FAKE_NETWORK_H_
#define REDIAL_TESTING_FAKE_NETWORK_H_

#include <cstdint>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "redial/export.h"
#include "redial/network.h"
#include "redial/testing/failure_handler.h"
#include "redial/testing/recorder.h"
#include "redial/testing/virtual_runtime.h"

namespace redial::testing {

namespace internal {
struct FakeNetworkState;
struct HostScript;
struct PeerScript;
struct ScriptedConnection;
struct Step;
}  // namespace internal

// What stands behind one target; see `FakeNetwork::Script`. Each method returns the script itself,
// so that they chain. A step that can't stand where it stands is a failure of the test, at once.
class REDIAL_EXPORT FakePeer {
 public:
  using Where = std::source_location;

  FakePeer(const FakePeer&) = delete;
  FakePeer& operator=(const FakePeer&) = delete;

  // How the next connection begins.
  FakePeer& Accept(Where where = Where::current());
  FakePeer& AcceptAfter(absl::Duration delay, Where where = Where::current());
  FakePeer& Refuse(Where where = Where::current());       // ECONNREFUSED
  FakePeer& Unreachable(Where where = Where::current());  // EHOSTUNREACH
  FakePeer& FailConnect(int error, Where where = Where::current());
  // Never answers the connect.
  FakePeer& BlackHole(Where where = Where::current());

  // What the peer does with an accepted connection, one step after another.
  //
  // Waits for exactly these bytes.
  FakePeer& Expect(std::string_view bytes, Where where = Where::current());
  FakePeer& Reply(std::string_view bytes, Where where = Where::current());
  // A byte at a time, each after `interval`.
  FakePeer& ReplySlowly(std::string_view bytes, absl::Duration interval,
                        Where where = Where::current());
  FakePeer& Delay(absl::Duration duration, Where where = Where::current());
  // These end the connection's steps. Takes whatever the client writes and never answers again.
  FakePeer& Stall(Where where = Where::current());
  // What was sent before can still be read.
  FakePeer& Reset(Where where = Where::current());
  FakePeer& Close(Where where = Where::current());

  // How the target's host name resolves: as "10.0.0.1" or "2001:db8::1", best first; to nothing; or
  // not at all, since no name server answers. For all scripts of that host.
  FakePeer& Resolve(const std::vector<std::string>& addresses, Where where = Where::current());
  FakePeer& NoSuchHost(Where where = Where::current());
  FakePeer& NameServerSilent(Where where = Where::current());

 private:
  friend class FakeNetwork;
  FakePeer(internal::FakeNetworkState& state, internal::PeerScript& script);

  FakePeer& Connection(internal::ScriptedConnection connection);
  FakePeer& Add(internal::Step step);
  FakePeer& Resolves(internal::HostScript host, std::string_view how, Where where);

  internal::FakeNetworkState& state_;
  internal::PeerScript& script_;
};

struct FakeNetworkOptions {
  // Of the calls' random draws: two runs with one seed are the same.
  uint64_t seed = 1;
  FailureHandler on_failure = {};
};

class REDIAL_EXPORT FakeNetwork final : public Network {
 public:
  explicit FakeNetwork(const FakeNetworkOptions& options = {},
                       std::source_location where = std::source_location::current());
  ~FakeNetwork() override;

  // So that `{.network = net}` is all it takes.
  operator Network*() { return this; }  // NOLINT(google-explicit-constructor)

  // The script for a target, as `Client::Create` and `Dial` name it. A second call with the same
  // target goes on with the same script.
  FakePeer& Script(std::string_view target,
                   std::source_location where = std::source_location::current());

  // What the calls did so far; see `Recorder`.
  std::string Trace() const;

  VirtualRuntime& runtime();

  absl::StatusOr<std::unique_ptr<Stream>> StartConnect(const Address& address,
                                                       const SocketOptions& options) override;
  // kUnimplemented: a fake network has peers, no listeners.
  absl::StatusOr<std::unique_ptr<Acceptor>> Listen(const Address& address,
                                                   const ListenOptions& options) override;
  absl::StatusOr<std::unique_ptr<Lookup>> StartLookup(const ResolveRequest& request,
                                                      const ResolverOptions& options) override;
  // kUnimplemented: scripts are of connections.
  absl::StatusOr<std::unique_ptr<DatagramEndpoint>> OpenDatagram(
      const Address& local, const Address& peer, const DatagramOptions& options) override;
  bool observes() const override { return true; }
  void Observe(const CallEvent& event) override;

 private:
  std::vector<Address> Answer(const ResolveRequest& request);

  const std::unique_ptr<internal::FakeNetworkState> state_;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTING_FAKE_NETWORK_H_
