// redial's calls as Asio's asynchronous operations: every token, the executor that each resumes on,
// and what the operation returns or throws.
#include <atomic>
#include <chrono>
#include <future>
#include <stdexcept>
#include <thread>

#include "tests/asio/calls_kit.h"

namespace redial {
namespace {

using testing::AsioCallsTest;
using testing::Ask;
using testing::ClientOf;
using testing::EchoServer;
using testing::IsOk;
using testing::IsOkAndHolds;
using testing::StatusIs;

INSTANTIATE_TEST_SUITE_P(, AsioCallsTest, ::testing::Bool(), testing::PlaceName);

absl::StatusOr<int> Three() { return 3; }

#if defined(__cpp_exceptions)
TEST_P(AsioCallsTest, ResumesACoroutine) {
  EchoServer server(fibers_);
  const Client client = ClientOf(server.target());
  absl::StatusOr<std::string> reply;
  asio::co_spawn(
      io_,
      [&]() -> asio::awaitable<void> {
        reply = co_await calls_->Call(client, {.operation = "ask"}, Ask, asio::use_awaitable);
        EXPECT_TRUE(io_.get_executor().running_in_this_thread());
      },
      asio::detached);
  io_.run();
  EXPECT_THAT(reply, IsOkAndHolds("ping\n"));
}
#endif

TEST_P(AsioCallsTest, KeepsAPromise) {
  std::future<absl::StatusOr<int>> value = calls_->Run(Three, asio::use_future);
  std::future<absl::Status> status =
      calls_->Run([] { return absl::AbortedError("no"); }, asio::use_future);
  io_.run();
  EXPECT_THAT(value.get(), IsOkAndHolds(3));
  EXPECT_THAT(status.get(), StatusIs(absl::StatusCode::kAborted, "no"));
}

// As with Asio's own objects, a future is kept by whoever runs the context.
TEST_P(AsioCallsTest, KeepsAPromiseWhereItsContextRuns) {
  auto value = calls_->Run(Three, asio::use_future);
  EXPECT_EQ(value.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  auto thread = calls_->Run(Three, asio::use_future([](const absl::StatusOr<int>&) {
                              return std::this_thread::get_id();
                            }));
  io_.run();
  EXPECT_EQ(value.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  EXPECT_EQ(thread.get(), std::this_thread::get_id());
}

TEST_P(AsioCallsTest, CallsBackButNeverAtOnce) {
  int value = 0;
  calls_->Run(Three, [&](const absl::StatusOr<int>& result) {
    value = *result;
    EXPECT_TRUE(io_.get_executor().running_in_this_thread());
  });
  EXPECT_EQ(value, 0);
  io_.run();
  EXPECT_EQ(value, 3);
}

TEST_P(AsioCallsTest, MayBeDeferred) {
  int ran = 0;
  auto deferred =
      calls_->Run([&ran]() -> absl::StatusOr<int> { return ++ran; }, asio::experimental::deferred);
  io_.run();
  EXPECT_EQ(ran, 0);
  io_.restart();
  absl::StatusOr<int> value;
  std::move(deferred)([&](absl::StatusOr<int> result) { value = std::move(result); });
  io_.run();
  EXPECT_THAT(value, IsOkAndHolds(1));
}

TEST_P(AsioCallsTest, MayBeForgotten) {
  std::atomic<int> ran{0};
  calls_->Run(
      [&] {
        ++ran;
        return absl::OkStatus();
      },
      asio::detached);
  io_.run();
  EXPECT_EQ(ran, 1);
}

TEST_P(AsioCallsTest, ResumesOnTheHandlersExecutor) {
  asio::thread_pool pool(2);
  const auto strand = asio::make_strand(pool);
  std::promise<bool> on_strand;
  calls_->Run(Three, asio::bind_executor(strand, [&](const absl::StatusOr<int>&) {
                on_strand.set_value(strand.running_in_this_thread());
              }));
  EXPECT_TRUE(on_strand.get_future().get());
  pool.join();
}

// The executor is kept busy though nothing of its own is queued.
TEST_P(AsioCallsTest, CountsAsOutstandingWork) {
  asio::io_context other;
  Event released;
  bool called = false;
  calls_->Run(
      [&] {
        Runtime::Current().WaitFor(released);
        return absl::OkStatus();
      },
      asio::bind_executor(other, [&](const absl::Status&) { called = true; }));
  EXPECT_EQ(other.poll(), 0u);
  EXPECT_FALSE(other.stopped());
  released.Set();
  EXPECT_EQ(other.run(), 1u);
  EXPECT_TRUE(called);
  EXPECT_TRUE(other.stopped());
}

TEST_P(AsioCallsTest, MovesWhatCannotBeCopied) {
  int value = 0;
  calls_->Run(
      [owned = std::make_unique<int>(7)]() mutable -> absl::StatusOr<std::unique_ptr<int>> {
        return std::move(owned);
      },
      [&value, held = std::make_unique<int>(1)](absl::StatusOr<std::unique_ptr<int>> result) {
        value = **result + *held;
      });
  io_.run();
  EXPECT_EQ(value, 8);
}

TEST_P(AsioCallsTest, RunsACallOfAnyFunction) {
  const auto policies =
      PolicySet::Create({Retry({.max_attempts = 3, .backoff = Constant(absl::Milliseconds(1))})});
  ASSERT_THAT(policies, IsOk());
  auto reply = calls_->Call(
      {.operation = "fetch", .idempotent = true}, *policies,
      [](const Attempt& attempt) -> absl::StatusOr<int> {
        if (attempt.number() < 3) return absl::UnavailableError("not yet");
        return attempt.number();
      },
      asio::use_future);
  io_.run();
  EXPECT_THAT(reply.get(), IsOkAndHolds(3));
}

// The call's own strings need not outlive its start.
TEST_P(AsioCallsTest, KeepsTheOperationsName) {
  auto name = std::make_unique<std::string>("a name of more than sixteen bytes");
  auto reply = calls_->Call(
      {.operation = *name}, PolicySet(), [] { return absl::AbortedError("no"); }, asio::use_future);
  name.reset();
  io_.run();
  EXPECT_EQ(FailureOf(reply.get())->operation, "a name of more than sixteen bytes");
}

TEST(AsioCalls, ATimeoutCountsFromTheStart) {
  asio::io_context io;
  testing::HeldRuntime held;
  AsioCalls calls(io, held);
  int attempts = 0;
  auto reply = calls.Call(
      {.operation = "late", .timeout = absl::Milliseconds(10)}, PolicySet(),
      [&] {
        ++attempts;
        return absl::OkStatus();
      },
      asio::use_future);
  testing::Pause(absl::Milliseconds(11));
  held.Release();
  io.run();
  EXPECT_THAT(reply.get(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(attempts, 0);
}

TEST(AsioCalls, SayWhyNothingCouldBeStarted) {
  asio::io_context io;
  testing::ExhaustedRuntime exhausted;
  AsioCalls calls(io.get_executor(), exhausted);
  absl::Status status;
  calls.Run([] { return absl::OkStatus(); }, [&](absl::Status result) { status = result; });
  EXPECT_TRUE(status.ok());  // not called yet
  io.run();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, "no thread today"));
}

#if defined(__cpp_exceptions)
TEST_P(AsioCallsTest, TurnsAnExceptionIntoAStatus) {
  auto known = calls_->Run(
      []() -> absl::StatusOr<int> { throw std::runtime_error("out of coffee"); }, asio::use_future);
  auto unknown = calls_->Run([]() -> absl::Status { throw 7; }, asio::use_future);
  io_.run();
  EXPECT_THAT(known.get(),
              StatusIs(absl::StatusCode::kUnknown, "the operation threw: out of coffee"));
  EXPECT_THAT(unknown.get(), StatusIs(absl::StatusCode::kUnknown,
                                      "the operation threw something that is no std::exception"));
}

TEST_P(AsioCallsTest, LetsAHandlersExceptionOutOfRun) {
  calls_->Run(Three, [](const absl::StatusOr<int>&) { throw std::runtime_error("mine"); });
  EXPECT_THROW(io_.run(), std::runtime_error);
  io_.restart();
  auto value = calls_->Run(Three, asio::use_future);
  io_.run();
  EXPECT_THAT(value.get(), IsOkAndHolds(3));
}

TEST_P(AsioCallsTest, RunsManyAtOnce) {
  EchoServer server(fibers_);
  const Client client = ClientOf(server.target());
  const int count = on_fibers() ? 500 : 50;
  std::atomic<int> right{0};
  for (int i = 0; i < count; ++i) {
    asio::co_spawn(
        io_,
        [&, text = "call " + std::to_string(i) + "\n"]() -> asio::awaitable<void> {
          for (int round = 0; round < 3; ++round) {
            const auto reply = co_await calls_->Call(
                client, {.operation = "ask", .timeout = absl::Seconds(30)},
                [&](Socket& socket) -> absl::StatusOr<std::string> {
                  if (auto sent = socket.Write(text); !sent.ok()) return sent;
                  return socket.ReadUntil("\n");
                },
                asio::use_awaitable);
            if (reply.ok() && *reply == text) ++right;
          }
        },
        asio::detached);
  }
  std::vector<std::thread> others;
  for (int i = 0; i < 2; ++i) others.emplace_back([&] { io_.run(); });
  for (std::thread& other : others) other.join();
  EXPECT_EQ(right, 3 * count);
}
#endif

}  // namespace
}  // namespace redial
