// Look-ups as the kernel network makes them: through c-ares, resolv.conf and the hosts file, against
// a name server on loopback.
#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "redial/dial.h"
#include "redial/failure.h"
#include "redial/listener.h"
#include "redial/network.h"
#include "redial/runtime.h"
#include "redial/target.h"
#include "redial/time.h"
#include "src/net/kernel_lookup.h"
#include "tests/support/each_runtime.h"
#include "tests/support/kernel.h"
#include "tests/support/name_server.h"

namespace redial {
namespace {

using internal::NameConfiguration;
using ::testing::Contains;
using testing::CountDescriptors;
using ::testing::ElementsAre;
using testing::FreePort;
using ::testing::HasSubstr;
using testing::Host;
using testing::NameServer;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

// Waits for both answers, as a dial does; null when the look-up couldn't begin.
std::unique_ptr<Lookup> LookUp(const std::string& host, const ResolverOptions& options,
                               const NameConfiguration& configuration = {},
                               absl::Duration limit = absl::Seconds(20)) {
  auto lookup = internal::StartKernelLookup({.host = host, .port = 80, .deadline = {}, .stop = {}},
                                            options, configuration);
  EXPECT_EQ(lookup.status(), absl::OkStatus());
  if (!lookup.ok()) return nullptr;
  Runtime& runtime = Runtime::Current();
  const Deadline deadline = Deadline::After(runtime.Now(), limit);
  std::vector<Source*> sources;
  while (!(*lookup)->done() && !deadline.expired(runtime.Now())) {
    sources.clear();
    (*lookup)->AppendSources(sources);
    runtime.WaitAny(sources, Earlier(deadline, (*lookup)->next_timer()), {});
    (*lookup)->Advance(runtime.Now());
  }
  EXPECT_TRUE((*lookup)->done()) << host;
  return *std::move(lookup);
}

std::vector<std::string> Texts(const Lookup::Answer& answer) {
  std::vector<std::string> texts;
  for (const Address& address : answer.addresses) texts.push_back(address.ToString());
  return texts;
}

absl::Status Bare(const absl::Status& status) {
  return absl::Status(status.code(), status.message());
}

class NameLookupTest : public testing::EachRuntime {
 protected:
  NameLookupTest() { options_.servers = {server_.address()}; }

  NameServer server_;
  ResolverOptions options_;
};
ON_EACH_RUNTIME(NameLookupTest);

TEST_P(NameLookupTest, AnswersBothFamiliesInTheServersOrder) {
  Inside([&] {
    server_.Add("cache.test", "10.0.0.9");
    server_.Add("cache.test", "10.0.0.7");
    server_.Add("cache.test", "2001:db8::7");
    const auto lookup = LookUp("cache.test", options_);
    EXPECT_THAT(Texts(lookup->ipv4()), ElementsAre("10.0.0.9:80", "10.0.0.7:80"));
    EXPECT_THAT(Texts(lookup->ipv6()), ElementsAre("[2001:db8::7]:80"));
    EXPECT_EQ(lookup->ipv4().status, absl::OkStatus());
  });
}

TEST_P(NameLookupTest, AFamilyWithoutAddressesIsNotFound) {
  Inside([&] {
    server_.Add("cache.test", "10.0.0.7");
    const auto lookup = LookUp("cache.test", options_);
    EXPECT_EQ(Bare(lookup->ipv6().status),
              absl::NotFoundError("host 'cache.test' has no IPv6 address"));
  });
}

TEST_P(NameLookupTest, NoSuchHost) {
  Inside([&] {
    const auto lookup = LookUp("nobody.test", options_);
    EXPECT_EQ(Bare(lookup->ipv4().status), absl::NotFoundError("no such host: 'nobody.test'"));
    EXPECT_EQ(Bare(lookup->ipv6().status), absl::NotFoundError("no such host: 'nobody.test'"));
  });
}

TEST_P(NameLookupTest, ANameThatIsNoneIsNotFound) {
  Inside([&] {
    const auto lookup = LookUp("a..b", options_);
    EXPECT_EQ(Bare(lookup->ipv4().status),
              absl::NotFoundError("no such host: 'a..b' is not a valid name"));
  });
}

TEST_P(NameLookupTest, AServerThatIsSilentIsUnavailable) {
  Inside([&] {
    server_.DropAll();
    options_.server_timeout = absl::Milliseconds(20);
    options_.tries = 1;
    const auto lookup = LookUp("cache.test", options_);
    for (const Lookup::Answer* answer : {&lookup->ipv4(), &lookup->ipv6()}) {
      EXPECT_EQ(Bare(answer->status),
                absl::UnavailableError(absl::StrCat("look-up of 'cache.test' failed: name server ",
                                                    server_.address(), " did not answer")));
      const Failure failure = *FailureOf(answer->status);
      EXPECT_EQ(failure.phase, Phase::kResolve);
      EXPECT_EQ(failure.sent, Sent::kNo);
      EXPECT_EQ(failure.error, ETIMEDOUT);
      ASSERT_EQ(failure.tried.size(), 1U);
      EXPECT_EQ(failure.tried[0].address, server_.address());
      EXPECT_GE(failure.tried[0].elapsed, absl::Milliseconds(19));
    }
  });
}

TEST_P(NameLookupTest, AServerThatFailsIsUnavailable) {
  Inside([&] {
    server_.Set("cache.test", {.rcode = NameServer::kServFail});
    server_.Set("secret.test", {.rcode = NameServer::kRefused});
    EXPECT_EQ(Bare(LookUp("cache.test", options_)->ipv4().status),
              absl::UnavailableError(absl::StrCat("look-up of 'cache.test' failed: name server ",
                                                  server_.address(), " failed (SERVFAIL)")));
    EXPECT_EQ(
        Bare(LookUp("secret.test", options_)->ipv4().status),
        absl::UnavailableError(absl::StrCat("look-up of 'secret.test' failed: name server ",
                                            server_.address(), " refused to answer (REFUSED)")));
  });
}

TEST_P(NameLookupTest, NoServerAtThatPortIsUnavailable) {
  Inside([&] {
    options_.servers = {absl::StrCat(Host(9), ":", FreePort(Host(9)))};
    options_.server_timeout = absl::Seconds(30);
    const Instant began = Runtime::Current().Now();
    const auto lookup = LookUp("cache.test", options_);
    EXPECT_EQ(Bare(lookup->ipv6().status),
              absl::UnavailableError(
                  absl::StrCat("look-up of 'cache.test' failed: name server ", options_.servers[0],
                               " cannot be reached: connection refused (ECONNREFUSED)")));
    EXPECT_EQ(FailureOf(lookup->ipv6().status)->error, ECONNREFUSED);
    EXPECT_LT(Runtime::Current().Now() - began, absl::Seconds(2)) << "it is told at once";
  });
}

TEST_P(NameLookupTest, TheSecondServerAnswersForTheFirst) {
  Inside([&] {
    NameServer silent;
    silent.DropAll();
    NameServer failing;
    failing.Set("cache.test", {.rcode = NameServer::kServFail});
    server_.Add("cache.test", "10.0.0.7");
    options_.server_timeout = absl::Milliseconds(50);
    for (const std::string& first :
         {silent.address(), failing.address(), absl::StrCat(Host(9), ":", FreePort(Host(9)))}) {
      options_.servers = {first, server_.address()};
      const auto lookup = LookUp("cache.test", options_);
      EXPECT_THAT(Texts(lookup->ipv4()), ElementsAre("10.0.0.7:80")) << first;
      ASSERT_EQ(lookup->Tried(Runtime::Current().Now()).size(), 1U) << first;
      EXPECT_EQ(lookup->Tried(Runtime::Current().Now())[0].address, first);
    }
  });
}

TEST_P(NameLookupTest, AsksAgainWhenAQueryIsLost) {
  Inside([&] {
    server_.Add("cache.test", "10.0.0.7");
    server_.Set("cache.test", {.drop_first = true});
    options_.server_timeout = absl::Milliseconds(30);
    EXPECT_THAT(Texts(LookUp("cache.test", options_)->ipv4()), ElementsAre("10.0.0.7:80"));
  });
}

TEST_P(NameLookupTest, ATruncatedAnswerIsFetchedOverTcp) {
  Inside([&] {
    std::vector<std::string> expected;
    for (int i = 1; i <= 100; ++i) {
      server_.Add("many.test", absl::StrCat("10.0.1.", i));
      expected.push_back(absl::StrCat("10.0.1.", i, ":80"));
    }
    server_.Set("many.test", {.truncate = true});
    EXPECT_EQ(Texts(LookUp("many.test", options_)->ipv4()), expected);
  });
}

TEST_P(NameLookupTest, AnAnswerToAnotherQuestionIsIgnored) {
  Inside([&] {
    server_.Add("cache.test", "10.6.6.6");
    server_.Set("cache.test", {.wrong_id = true});
    options_.server_timeout = absl::Milliseconds(20);
    options_.tries = 1;
    const auto lookup = LookUp("cache.test", options_);
    EXPECT_THAT(Texts(lookup->ipv4()), ElementsAre());
    EXPECT_THAT(std::string(lookup->ipv4().status.message()), HasSubstr("did not answer"));
  });
}

TEST_P(NameLookupTest, AsksForOneFamilyOnly) {
  Inside([&] {
    server_.Add("cache.test", "10.0.0.7");
    server_.Add("cache.test", "2001:db8::7");
    options_.family = AddressFamily::kIpv6Only;
    const auto lookup = LookUp("cache.test", options_);
    EXPECT_THAT(Texts(lookup->ipv6()), ElementsAre("[2001:db8::7]:80"));
    EXPECT_TRUE(lookup->ipv4().done);
    EXPECT_THAT(server_.queries(), ElementsAre("AAAA cache.test"));
  });
}

TEST_P(NameLookupTest, SearchDomainsAndServersOfResolvConf) {
  Inside([&] {
    const testing::TemporaryFile resolv_conf("search lab.test example.test\noptions ndots:1\n");
    server_.Add("cache.example.test", "10.0.0.7");
    const auto lookup = LookUp(
        "cache", options_, {.resolv_conf = resolv_conf.path(), .hosts_from_environment = false});
    EXPECT_THAT(Texts(lookup->ipv4()), ElementsAre("10.0.0.7:80"));
    EXPECT_THAT(server_.queries(), Contains("A cache.lab.test"));
  });
}

TEST_P(NameLookupTest, ATrailingDotForbidsTheSearch) {
  Inside([&] {
    const testing::TemporaryFile resolv_conf("search example.test\n");
    server_.Add("cache.example.test", "10.0.0.7");
    const auto lookup = LookUp(
        "cache.", options_, {.resolv_conf = resolv_conf.path(), .hosts_from_environment = false});
    EXPECT_EQ(Bare(lookup->ipv4().status), absl::NotFoundError("no such host: 'cache.'"));
    EXPECT_THAT(server_.queries(), UnorderedElementsAre("A cache", "AAAA cache"));
  });
}

TEST_P(NameLookupTest, TheHostsFileComesFirstAndSettlesBothFamilies) {
  Inside([&] {
    const testing::TemporaryFile hosts("10.1.2.3 cache.test cache\n2001:db8::1 six.test\n");
    const testing::ScopedVariable variable("CARES_HOSTS", hosts.path());
    const NameConfiguration configuration{.resolv_conf = "", .hosts_from_environment = true};
    const auto lookup = LookUp("cache", options_, configuration);
    EXPECT_THAT(Texts(lookup->ipv4()), ElementsAre("10.1.2.3:80"));
    EXPECT_EQ(Bare(lookup->ipv6().status), absl::NotFoundError("host 'cache' has no IPv6 address"));
    EXPECT_THAT(Texts(LookUp("six.test", options_, configuration)->ipv6()),
                ElementsAre("[2001:db8::1]:80"));
    EXPECT_THAT(server_.queries(), ElementsAre()) << "no name of ours leaves the machine";
    server_.Add("other.test", "10.0.0.7");
    EXPECT_THAT(Texts(LookUp("other.test", options_, configuration)->ipv4()),
                ElementsAre("10.0.0.7:80"));
  });
}

// RFC 6761, section 6.3.
TEST_P(NameLookupTest, LocalhostIsThisMachine) {
  Inside([&] {
    for (const std::string name : {"localhost", "db.localhost.", "LOCALHOST"}) {
      const auto lookup = LookUp(name, options_);
      EXPECT_THAT(Texts(lookup->ipv4()), ElementsAre("127.0.0.1:80"));
      EXPECT_THAT(Texts(lookup->ipv6()), ElementsAre("[::1]:80"));
    }
    EXPECT_THAT(server_.queries(), ElementsAre());
  });
}

TEST_P(NameLookupTest, ALookUpThatIsDroppedLeavesNoDescriptor) {
  Inside([&] {
    server_.DropAll();
    const size_t before = CountDescriptors();
    for (int i = 0; i < 10; ++i) {
      auto lookup = internal::StartKernelLookup(
          {.host = "cache.test", .port = 80, .deadline = {}, .stop = {}}, options_);
      ASSERT_EQ(lookup.status(), absl::OkStatus());
      EXPECT_GT(CountDescriptors(), before);
      std::vector<Source*> sources;
      (*lookup)->AppendSources(sources);
      ASSERT_FALSE(sources.empty());
      for (const Source* source : sources) {
        EXPECT_TRUE(source->foreign());
        EXPECT_EQ(::fcntl(source->fd(), F_GETFD), FD_CLOEXEC);
        EXPECT_NE(::fcntl(source->fd(), F_GETFL) & O_NONBLOCK, 0);
      }
    }
    EXPECT_EQ(CountDescriptors(), before);
  });
}

TEST_P(NameLookupTest, OutOfDescriptorsIsNotASilentServer) {
  Inside([&] {
    const testing::NoMoreDescriptors none;
    const auto lookup = LookUp("cache.test", options_);
    EXPECT_EQ(
        Bare(lookup->ipv4().status),
        absl::ResourceExhaustedError("look-up of 'cache.test' failed: no socket to ask a name "
                                     "server with: too many open files (EMFILE)"));
    EXPECT_EQ(FailureOf(lookup->ipv4().status)->error, EMFILE);
  });
}

}  // namespace
}  // namespace redial
