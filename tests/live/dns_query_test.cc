// The DNS client of examples/, as it stands, on threads, in fibers and in a simulation.
#include "examples/dns_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "redial/redial.h"
#include "redial/testing/matchers.h"
#include "redial/testing/simulation.h"
#include "tests/live/servers.h"
#include "tests/support/each_runtime.h"
#include "tests/support/name_server.h"

namespace redial {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::IsOkAndHolds;
using testing::NameServer;
using testing::SimulatedHost;
using testing::Simulation;
using ::testing::UnorderedElementsAre;

DnsClient MakeClient(const std::string& target) {
  auto dns = DnsClient::Create(target);
  EXPECT_TRUE(dns.ok()) << dns.status();
  return *std::move(dns);
}

class ExampleDns : public testing::EachRuntime {};
ON_EACH_RUNTIME(ExampleDns);

TEST_ON_EACH_RUNTIME(ExampleDns, FindsAddresses) {
  NameServer server;
  server.Add("cache.test", "127.0.0.2");
  server.Add("cache.test", "127.0.0.3");
  const DnsClient dns = MakeClient("udp://" + server.address());
  EXPECT_THAT(dns.Ask("cache.test"), IsOkAndHolds(UnorderedElementsAre("127.0.0.2", "127.0.0.3")));
  EXPECT_EQ(dns.Ask("nobody.test").status().code(), absl::StatusCode::kNotFound);
}

TEST_ON_EACH_RUNTIME(ExampleDns, AsksAgainWhatWasLost) {
  NameServer server;
  server.Add("cache.test", "127.0.0.2");
  server.Set("cache.test", {.drop_first = true});
  EXPECT_THAT(MakeClient("udp://" + server.address()).Ask("cache.test"),
              IsOkAndHolds(ElementsAre("127.0.0.2")));
  EXPECT_EQ(server.queries().size(), 2u);
}

TEST(ExampleDnsProgram, PrintsAddressesOrTheStory) {
  NameServer server;
  server.Add("cache.test", "127.0.0.2");
  const std::string program = REDIAL_BIN_DIR "/example_dns_query";
  const auto found = testing::RunProgram({program, "udp://" + server.address(), "cache.test"});
  EXPECT_EQ(found.exit_code, 0) << found.err;
  EXPECT_EQ(found.out, "127.0.0.2\n");
  const auto nobody = testing::RunProgram({program, "udp://" + server.address(), "nobody.test"});
  EXPECT_EQ(nobody.exit_code, 1);
  EXPECT_THAT(nobody.err, HasSubstr("no such name: nobody.test"));
  EXPECT_EQ(testing::RunProgram({program, "udp://cache.test", "x"}).exit_code, 2);
}

// Knows one name, and answers each question twice: first with an id that nobody asked for.
void ServeNames() {
  auto socket = Datagram::Bind(*Address::Parse("0.0.0.0:53"));
  char buffer[512];
  for (;;) {
    const auto query = socket->ReceiveFrom(absl::MakeSpan(buffer));
    if (!query.ok()) return;
    std::string answer(buffer, query->size);
    answer[2] = '\x81';
    answer[7] = 1;  // one record
    answer += std::string_view("\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x0a\0\0\1", 16);
    ++answer[0];
    socket->SendTo(answer, query->from).IgnoreError();
    --answer[0];
    socket->SendTo(answer, query->from).IgnoreError();
  }
}

class SimulatedDns : public ::testing::Test {
 protected:
  // The answers to `count` questions, in so much time.
  int CountAnswers(int count) {
    int answered = 0;
    app_.Run("app", [&] {
      const DnsClient dns = MakeClient("udp://dns:53");
      for (int i = 0; i < count; ++i) {
        const auto addresses = dns.Ask("cache.test");
        if (!addresses.ok()) continue;
        EXPECT_THAT(*addresses, ElementsAre("10.0.0.1"));
        ++answered;
      }
    });
    EXPECT_EQ(sim_.Run(), absl::OkStatus());
    return answered;
  }

  Simulation sim_{3};
  SimulatedHost& dns_ = sim_.AddHost("dns");
  SimulatedHost& app_ = sim_.AddHost("app");
};

TEST_F(SimulatedDns, AsksOnceWhereNothingIsLost) {
  dns_.Serve("names", ServeNames);
  EXPECT_EQ(CountAnswers(10), 10);
  // Each: the look-up of "dns", then there and back.
  EXPECT_EQ(sim_.elapsed(), 10 * absl::Milliseconds(3));
}

// Of questions and answers a tenth is lost each: all four attempts fail for one in 770.
TEST_F(SimulatedDns, SurvivesANetworkThatLosesAndRepeats) {
  dns_.Serve("names", ServeNames);
  sim_.SetLink(dns_, app_, {.jitter = absl::Milliseconds(5), .loss = 0.1, .duplication = 0.1});
  const int answered = CountAnswers(1000);
  EXPECT_GE(answered, 985);
  EXPECT_GT(sim_.elapsed(), absl::Seconds(100)) << "lost ones took a second each";
}

TEST_F(SimulatedDns, GivesUpOnOneThatIsDown) {
  dns_.Serve("names", ServeNames);
  dns_.Crash();
  EXPECT_EQ(CountAnswers(1), 0);
  EXPECT_GE(sim_.elapsed(), absl::Seconds(4));
  EXPECT_LE(sim_.elapsed(), absl::Seconds(5));
}

// Where nobody listens, the machine says so, and nobody waits for a second.
TEST_F(SimulatedDns, LearnsAtOnceThatNobodyListens) {
  EXPECT_EQ(CountAnswers(1), 0);
  EXPECT_LT(sim_.elapsed(), absl::Seconds(1));
}

}  // namespace
}  // namespace redial
