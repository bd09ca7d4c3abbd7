// Connecting a datagram socket to what a user names.
#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "redial/client.h"
#include "redial/datagram.h"
#include "redial/dial.h"
#include "redial/failure.h"
#include "redial/testing/fake_network.h"
#include "redial/testing/virtual_runtime.h"
#include "src/net/address_error.h"
#include "tests/unit/scripted_datagram.h"

namespace redial {
namespace {

using testing::DatagramScript;
using testing::ScriptedDatagram;
using testing::VirtualRuntime;

// Opens scripted endpoints, and asks the kernel's look-up, which a test gives a function.
class OpeningNetwork final : public Network {
 public:
  absl::StatusOr<std::unique_ptr<DatagramEndpoint>> OpenDatagram(const Address& local,
                                                                 const Address& peer,
                                                                 const DatagramOptions&) override {
    opened.push_back(peer.ToString());
    last_local = local;
    if (errors.contains(peer.ToString())) {
      return internal::ConnectError(errors[peer.ToString()], peer);
    }
    script.peer = peer;
    return std::make_unique<ScriptedDatagram>(script);
  }
  absl::StatusOr<std::unique_ptr<Stream>> StartConnect(const Address&,
                                                       const SocketOptions&) override {
    return absl::InternalError("a stream was asked for");
  }
  absl::StatusOr<std::unique_ptr<Acceptor>> Listen(const Address&, const ListenOptions&) override {
    return absl::InternalError("a listener was asked for");
  }
  absl::StatusOr<std::unique_ptr<Lookup>> StartLookup(const ResolveRequest& request,
                                                      const ResolverOptions& options) override {
    return KernelNetwork().StartLookup(request, options);
  }

  DatagramScript script;
  std::vector<std::string> opened;
  Address last_local;
  std::map<std::string, int> errors;
};

class DatagramConnectTest : public ::testing::Test {
 protected:
  absl::StatusOr<Datagram> Connect(const std::string& target,
                                   Deadline deadline = Deadline::Never()) {
    return Datagram::Connect(*Target::Parse(target), deadline, stop_.get_token(), options_,
                             network_);
  }
  void Resolve(std::vector<Address> addresses) {
    options_.resolver.function = [addresses](const ResolveRequest&) { return addresses; };
  }

  VirtualRuntime runtime_;
  OpeningNetwork network_;
  DatagramConnectOptions options_;
  std::stop_source stop_;
};

const Address kIpv4 = Address::Ipv4({192, 0, 2, 1}, 0);
const Address kIpv6 = *Address::FromLiteral("2001:db8::1", 0);

TEST_F(DatagramConnectTest, ALiteralNeedsNoLookUp) {
  options_.local = Address::Ipv4({127, 0, 0, 1}, 4000);
  const auto socket = Connect("udp://192.0.2.1:53");
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_EQ(socket->peer().ToString(), "192.0.2.1:53");
  EXPECT_EQ(network_.last_local, options_.local);
}

TEST_F(DatagramConnectTest, TheFirstAddressWithAWayToItWins) {
  Resolve({kIpv4, kIpv6});
  EXPECT_EQ(Connect("udp://dns:53")->peer().ToString(), "[2001:db8::1]:53");
  EXPECT_EQ(network_.opened, std::vector<std::string>{"[2001:db8::1]:53"});
  network_.errors["[2001:db8::1]:53"] = ENETUNREACH;
  EXPECT_EQ(Connect("udp://dns:53")->peer().ToString(), "192.0.2.1:53");
  options_.resolver.family = AddressFamily::kIpv4Only;
  network_.opened.clear();
  EXPECT_EQ(Connect("udp://dns:53")->peer().ToString(), "192.0.2.1:53");
  EXPECT_EQ(network_.opened, std::vector<std::string>{"192.0.2.1:53"});
}

TEST_F(DatagramConnectTest, WhereThereIsNoWayItTellsOfEach) {
  Resolve({kIpv4, kIpv6});
  network_.errors = {{"[2001:db8::1]:53", ENETUNREACH}, {"192.0.2.1:53", EMFILE}};
  const absl::Status status = Connect("udp://dns:53").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(),
            "connect to dns:53 failed: [2001:db8::1]:53 network is unreachable (ENETUNREACH) after "
            "0 ms; 192.0.2.1:53 too many open files (EMFILE) after 0 ms");
  EXPECT_EQ(FailureOf(status)->tried.size(), 2u);
  EXPECT_EQ(FailureOf(status)->sent, Sent::kNo);
}

TEST_F(DatagramConnectTest, ANameThatIsNoneIsNotFound) {
  Resolve({});
  EXPECT_EQ(Connect("udp://nowhere:53").status().message(), "no such host: 'nowhere'");
}

TEST_F(DatagramConnectTest, AStreamsTargetIsRefused) {
  const absl::Status status = Connect("tcp://dns:53").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "connect to tcp://dns:53: it names a stream, which Dial connects to; a datagram's is "
            "udp://");
  EXPECT_TRUE(Connect("unix:///dev/log").ok());
}

TEST_F(DatagramConnectTest, AnExpiredDeadlineOpensNothing) {
  for (const std::string target : {"udp://dns:53", "udp://192.0.2.1:53"}) {
    const absl::Status status = Connect(target, Deadline::Past()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << target;
  }
  const absl::Status status =
      Datagram::Connect(kIpv4.WithPort(53), Deadline::Past(), {}, {}, network_).status();
  EXPECT_EQ(status.message(), "connect to 192.0.2.1:53 not begun: the deadline had passed");
  EXPECT_TRUE(network_.opened.empty());
}

TEST_F(DatagramConnectTest, AStopBeforehandOpensNothing) {
  stop_.request_stop();
  EXPECT_EQ(Connect("udp://192.0.2.1:53").status().code(), absl::StatusCode::kCancelled);
  const absl::Status status =
      Datagram::Connect(kIpv4.WithPort(53), Deadline::Never(), stop_.get_token(), {}, network_)
          .status();
  EXPECT_EQ(status.message(), "connect to 192.0.2.1:53 not begun: stop was requested");
  EXPECT_TRUE(network_.opened.empty());
}

TEST_F(DatagramConnectTest, TheSocketKeepsTheLimits) {
  const Deadline deadline = Deadline::After(runtime_.Now(), absl::Seconds(2));
  auto socket = Connect("udp://192.0.2.1:53", deadline);
  ASSERT_TRUE(socket.ok()) << socket.status();
  EXPECT_EQ(socket->deadline(), deadline);
  runtime_.After(absl::Seconds(1), [&] { stop_.request_stop(); });
  char buffer[1];
  EXPECT_EQ(socket->Receive(absl::MakeSpan(buffer)).status().message(),
            "read from 192.0.2.1:53 stopped after 1 s");
}

TEST_F(DatagramConnectTest, AnAddressMustBeOne) {
  const auto connect = [&](const Address& peer) {
    return Datagram::Connect(peer, Deadline::Never(), {}, options_, network_).status();
  };
  EXPECT_EQ(connect(Address()).message(), "connect: \"\" is no address that can be sent to");
  EXPECT_EQ(connect(kIpv4).message(), "connect: \"192.0.2.1:0\" is no address that can be sent to");
  options_.socket.send_buffer = -1;
  EXPECT_EQ(connect(kIpv4.WithPort(1)).code(), absl::StatusCode::kInvalidArgument);
}

TEST(DatagramTarget, NobodyConnectsAStreamToIt) {
  const std::string sentence =
      "connect to udp://dns:53: it names datagrams, which redial::Datagram exchanges; a stream's "
      "is tcp:// or unix://";
  EXPECT_EQ(Dial(*Target::Parse("udp://dns:53")).status().message(), sentence);
  EXPECT_EQ(Client::Create("udp://dns:53", {}).status().message(), sentence);
  std::vector<std::string> failures;
  testing::FakeNetwork net({.on_failure = [&](const testing::TestFailure& failure) {
    failures.push_back(failure.sentence);
  }});
  net.Script("udp://dns:53");
  EXPECT_EQ(failures, std::vector<std::string>{sentence});
}

}  // namespace
}  // namespace redial
