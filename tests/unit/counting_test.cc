// What an operation that finds its data ready costs: counted, not timed.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include <optional>
#include <stop_token>
#include <string>

#include "absl/strings/match.h"
#include "redial/redial.h"
#include "redial/runtime.h"
#include "redial/socket.h"
#include "redial/source.h"
#include "src/core/call_machine.h"
#include "src/core/status.h"
#include "tests/unit/counted_calls.h"

namespace redial {
namespace {

using testing::counts;
using testing::Counts;

class CountingTest : public ::testing::Test {
 protected:
  CountingTest() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    theirs_ = ends[1];
    socket_.emplace(*Socket::Adopt(ends[0]));
  }
  ~CountingTest() override { ::close(theirs_); }

  void Give(const std::string& bytes) {
    ASSERT_EQ(::write(theirs_, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  Deadline InAMinute() { return Deadline::After(Runtime::Current().Now(), absl::Minutes(1)); }
  template <typename Work>
  Counts CountsOf(Work work) {
    counts = Counts();
    work();
    return counts;
  }
  size_t ReadByte() {
    char byte = 0;
    return socket().Read(absl::MakeSpan(&byte, 1)).value_or(0);
  }
  Socket& socket() { return *socket_; }
  // Can be written to.
  int ready_end() const { return theirs_; }

 private:
  int theirs_ = -1;
  std::optional<Socket> socket_;
};

TEST_F(CountingTest, AReadyReadIsOneSystemCallAndNothingElse) {
  Give("x");
  size_t n = 0;
  const Counts cost = CountsOf([&] { n = ReadByte(); });
  EXPECT_EQ(n, 1u);
  EXPECT_EQ(cost.receives, 1);
  EXPECT_EQ(cost.waits, 0);
  EXPECT_EQ(cost.clock_reads, 0);
  EXPECT_EQ(cost.allocations, 0);
}

TEST_F(CountingTest, ADeadlineCostsOneLookAtTheClock) {
  std::stop_source stop;
  socket().set_stop_token(stop.get_token());
  socket().set_deadline(InAMinute());
  Give("x");
  size_t n = 0;
  const Counts cost = CountsOf([&] { n = ReadByte(); });
  EXPECT_EQ(n, 1u);
  EXPECT_EQ(cost.receives, 1);
  EXPECT_EQ(cost.waits, 0);
  EXPECT_EQ(cost.clock_reads, 1);
  EXPECT_EQ(cost.allocations, 0);
}

TEST_F(CountingTest, ATimeoutAloneCostsNothingUntilItWaits) {
  ASSERT_TRUE(socket().set_operation_timeout(absl::Minutes(1)).ok());
  Give("x");
  const Counts cost = CountsOf([&] { ReadByte(); });
  EXPECT_EQ(cost.receives, 1);
  EXPECT_EQ(cost.clock_reads, 0);
}

TEST_F(CountingTest, AnExpiredDeadlineMakesNoSystemCall) {
  socket().set_deadline(Deadline::Past());
  Give("x");
  const Counts cost = CountsOf([&] {
    EXPECT_EQ(ReadByte(), 0u);
    EXPECT_FALSE(socket().Write("x").ok());
  });
  EXPECT_EQ(cost.receives + cost.sends + cost.waits + cost.clock_reads, 0);
}

TEST_F(CountingTest, AWriteThatFitsIsOneSystemCall) {
  const Counts cost = CountsOf([&] { ASSERT_TRUE(socket().Write("PING\r\n").ok()); });
  EXPECT_EQ(cost.sends, 1);
  EXPECT_EQ(cost.waits, 0);
  EXPECT_EQ(cost.clock_reads, 0);
  EXPECT_EQ(cost.allocations, 0);
}

TEST_F(CountingTest, BufferedLinesCostNoSystemCall) {
  Give("a\nb\nc\n");
  ASSERT_TRUE(socket().ReadUntil("\n").ok());
  const Counts cost = CountsOf([&] {
    ASSERT_TRUE(socket().ReadUntil("\n").ok());
    ASSERT_TRUE(socket().ReadExactly(2).ok());
  });
  EXPECT_EQ(cost.receives, 0);
  EXPECT_EQ(cost.allocations, 0);  // short strings
}

TEST_F(CountingTest, AWaitIsOneSystemCallOneLookAtTheClockAndNoAllocation) {
  Runtime& runtime = Runtime::Current();
  const Deadline deadline = InAMinute();
  std::stop_source stop;
  Event event;
  event.Set();
  runtime.Wait(event, deadline, {});
  Source mine(ready_end(), Source::Kind::kWritable);
  Source* const sources[] = {&event, &mine};
  int ready = -1;
  const Counts cost =
      CountsOf([&] { ready = runtime.WaitAny(sources, deadline, stop.get_token()); });
  EXPECT_EQ(ready, 1);
  EXPECT_EQ(cost.waits, 1);
  EXPECT_EQ(cost.clock_reads, 1);
  EXPECT_EQ(cost.allocations, 0);
}

TEST_F(CountingTest, AReadThatWaitsTriesTwiceAndWaitsOnce) {
  ASSERT_TRUE(socket().set_operation_timeout(absl::Milliseconds(1)).ok());
  ReadByte();  // this thread's first wait makes what wakes it
  const Counts cost = CountsOf([&] { ReadByte(); });
  EXPECT_EQ(cost.receives, 1);
  EXPECT_GE(cost.waits, 1);
}

TEST_F(CountingTest, ADatagramIsOneSystemCallEachWay) {
  auto service = Datagram::Bind(Address::Ipv4({127, 0, 0, 1}, 0));
  ASSERT_TRUE(service.ok()) << service.status();
  auto client = Datagram::Connect(service->local());
  ASSERT_TRUE(client.ok()) << client.status();
  ASSERT_TRUE(client->set_operation_timeout(absl::Minutes(1)).ok());
  char buffer[16];
  const Counts cost = CountsOf([&] {
    ASSERT_TRUE(client->Send("query").ok());
    const auto query = service->ReceiveFrom(absl::MakeSpan(buffer));
    ASSERT_TRUE(query.ok()) << query.status();
    ASSERT_TRUE(service->SendTo("reply", query->from).ok());
    EXPECT_EQ(client->Receive(absl::MakeSpan(buffer)).value_or(0), 5u);
  });
  EXPECT_EQ(cost.sends, 2);
  EXPECT_EQ(cost.receives, 2);
  EXPECT_EQ(cost.waits, 0);
  EXPECT_EQ(cost.clock_reads, 0);
  EXPECT_EQ(cost.allocations, 0);
}

TEST_F(CountingTest, ADatagramsDeadlineCostsOneLookAtTheClock) {
  auto service = Datagram::Bind(Address::Ipv4({127, 0, 0, 1}, 0));
  ASSERT_TRUE(service.ok()) << service.status();
  auto client = Datagram::Connect(service->local(), InAMinute());
  ASSERT_TRUE(client.ok()) << client.status();
  Counts cost = CountsOf([&] { ASSERT_TRUE(client->Send("query").ok()); });
  EXPECT_EQ(cost.sends, 1);
  EXPECT_EQ(cost.clock_reads, 1);
  EXPECT_EQ(cost.allocations, 0);
  client->set_deadline(Deadline::Past());
  cost = CountsOf([&] { EXPECT_FALSE(client->Send("query").ok()); });
  EXPECT_EQ(cost.sends + cost.clock_reads, 0);
}

// The success path of a call: the clock before and after the attempt, and not one allocation.
TEST_F(CountingTest, ACallThatSucceedsAllocatesNothing) {
  auto policies = PolicySet::Create({Retry(), FailFast(OnErrno(ECONNREFUSED)), Report(),
                                     AttemptTimeout(absl::Milliseconds(500))});
  ASSERT_TRUE(policies.ok()) << policies.status();
  const CallOptions options{.operation = "nothing", .timeout = absl::Seconds(1)};
  const auto call = [&] {
    EXPECT_TRUE(Call(options, *policies, [] { return absl::OkStatus(); }).ok());
  };
  call();  // the thread's first seed is drawn from the kernel
  const Counts seen = CountsOf(call);
  EXPECT_EQ(seen.allocations, 0);
  EXPECT_EQ(seen.clock_reads, 2);
  EXPECT_EQ(seen.waits, 0);
}

// When a server is down there are many, and they share a status. The first takes what Abseil's status does:
// itself, its text, and the list of its payloads.
TEST_F(CountingTest, BreakersRefusalsThatSayTheSameAllocateOneStatus) {
  const auto breaker = CircuitBreaker();
  breaker->Force(CircuitBreakerPolicy::Override::kForcedOpen);
  auto policies = PolicySet::Create({Retry(), breaker});
  ASSERT_TRUE(policies.ok()) << policies.status();
  CallOptions options{.operation = "nothing", .timeout = absl::Seconds(1)};
  const auto call = [&] {
    EXPECT_FALSE(Call(options, *policies, [] { return absl::OkStatus(); }).ok());
  };
  call();  // the thread's first seed is drawn from the kernel
  options.operation = "something else";
  const Counts first = CountsOf(call);
  EXPECT_EQ(first.allocations, 3);
  EXPECT_EQ(first.clock_reads, 1);
  EXPECT_EQ(CountsOf(call).allocations, 0);
}

// Nor does one that names a later time: nobody has the earlier status any more.
TEST_F(CountingTest, ARefusalThatNamesAnotherTimeAllocatesNothing) {
  const auto refuse = [](absl::Duration retry_at) {
    Failure failure;
    failure.why = Reason::kBreakerOpen;
    failure.retry_at = retry_at;
    return internal::RefusalStatus(absl::StatusCode::kUnavailable, "PING", "tcp://a:1", failure);
  };
  EXPECT_FALSE(refuse(absl::Milliseconds(30)).ok());
  const Counts later = CountsOf([&] { EXPECT_FALSE(refuse(absl::Milliseconds(29)).ok()); });
  EXPECT_EQ(later.allocations, 0);
}

// Nor do operations that take turns.
TEST_F(CountingTest, RefusalsOfAFewOperationsAllocateNothing) {
  Failure failure;
  failure.why = Reason::kBreakerOpen;
  const auto refuse_all = [&] {
    for (const char* const operation : {"GET", "SET", "DEL", "INCR", "EXPIRE", "PING"}) {
      const absl::Status refusal =
          internal::RefusalStatus(absl::StatusCode::kUnavailable, operation, "tcp://a:1", failure);
      EXPECT_TRUE(absl::StartsWith(refusal.message(), operation));
    }
  };
  refuse_all();
  EXPECT_EQ(CountsOf(refuse_all).allocations, 0);
}

// Neither where it says until when, nor where somebody has forced it open.
TEST_F(CountingTest, ABreakersRefusalAllocatesNothingInTheEngine) {
  for (const bool forced : {false, true}) {
    const auto breaker =
        CircuitBreaker({.consecutive_failures = 1, .open_time = Constant(absl::Hours(1))});
    auto policies = PolicySet::Create({Retry(), breaker});
    ASSERT_TRUE(policies.ok()) << policies.status();
    if (forced) breaker->Force(CircuitBreakerPolicy::Override::kForcedOpen);
    EXPECT_FALSE(Call({}, *policies, [] { return absl::UnavailableError("down"); }).ok());
    ASSERT_EQ(breaker->snapshot().next_admission.has_value(), !forced);
    const Instant now = Runtime::Current().Now();
    const Counts seen = CountsOf([&] {
      CallMachine machine(*policies, {.deadline = {}, .idempotent = true, .seed = 1});
      machine.Begin(now);
      EXPECT_EQ(machine.Next().reason, Reason::kBreakerOpen);
      EXPECT_EQ(machine.Next().type, CallMachine::Action::Type::kDone);
      CallMachine at_once(*policies, {.deadline = {}, .idempotent = true, .seed = 1});
      EXPECT_EQ(at_once.BeginAtOnce(now).why, Reason::kBreakerOpen);
    });
    EXPECT_EQ(seen.allocations, 0);
  }
}

// Nor does one that Chaos leaves in peace.
TEST_F(CountingTest, ACallWithoutFaultsAllocatesNothing) {
  const auto policies = PolicySet::Create(
      {Retry(), Chaos({.i_know_this_breaks_calls = true, .reset_probability = 1e-12})});
  ASSERT_TRUE(policies.ok()) << policies.status();
  const CallOptions options{.operation = "nothing", .seed = 1};
  const auto call = [&] {
    EXPECT_TRUE(Call(options, *policies, [] { return absl::OkStatus(); }).ok());
  };
  call();  // what the thread has once
  const Counts seen = CountsOf(call);
  EXPECT_EQ(seen.allocations, 0);
  EXPECT_EQ(seen.clock_reads, 2);
  EXPECT_EQ(seen.waits, 0);
}

}  // namespace
}  // namespace redial
