// Who may go before whom, and what then becomes of calls that still run.
#include <future>
#include <thread>

#include "tests/asio/calls_kit.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/lsan_interface.h>
#define REDIAL_LEAKS_ON_PURPOSE const __lsan::ScopedDisabler leaks_on_purpose
#endif
#endif
#if !defined(REDIAL_LEAKS_ON_PURPOSE)
#define REDIAL_LEAKS_ON_PURPOSE static_assert(true)
#endif

namespace redial {
namespace {

using testing::AsioCallsTest;
using testing::Ask;
using testing::ClientOf;
using testing::SilentServer;
using testing::StatusIs;

constexpr absl::Duration kHang = absl::Seconds(5);

class AsioLifetimeTest : public AsioCallsTest {};
INSTANTIATE_TEST_SUITE_P(, AsioLifetimeTest, ::testing::Bool(), testing::PlaceName);

// Tells when the last copy of it is gone.
std::pair<std::shared_ptr<int>, std::weak_ptr<int>> Witness() {
  auto strong = std::make_shared<int>(0);
  std::weak_ptr<int> weak = strong;
  return {std::move(strong), weak};
}

TEST_P(AsioLifetimeTest, StopsItsCallsWhenItGoes) {
  const SilentServer server;
  const Client client = ClientOf(server.target());
  auto result = calls_->Call(client, {.timeout = kHang}, Ask, asio::use_future);
  const Instant start = Runtime::Threads().Now();
  calls_.reset();
  EXPECT_LT(Runtime::Threads().Now() - start, kHang);
  io_.run();
  EXPECT_THAT(result.get(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_P(AsioLifetimeTest, StopsWhatBelongsToAContextThatGoes) {
  const SilentServer server;
  const Client client = ClientOf(server.target());
  auto [in_handler, handler] = Witness();
  auto [in_work, work] = Witness();
  bool called = false;
  auto context = std::make_unique<asio::io_context>();
  auto calls = NewCalls(*context);
  calls->Call(
      client, {.timeout = kHang},
      [held = std::move(in_work)](Socket& socket) { return Ask(socket); },
      [&called, held = std::move(in_handler)](const absl::StatusOr<std::string>&) {
        called = true;
      });
  // A handler that lives elsewhere goes on.
  auto elsewhere =
      calls->Run([] { return absl::StatusOr<int>(3); }, asio::bind_executor(io_, asio::use_future));
  const Instant start = Runtime::Threads().Now();
  context.reset();
  EXPECT_LT(Runtime::Threads().Now() - start, kHang);
  EXPECT_TRUE(handler.expired());
  EXPECT_TRUE(work.expired());
  EXPECT_FALSE(called);
  io_.run();
  EXPECT_THAT(elsewhere.get(), testing::IsOkAndHolds(3));
}

#if defined(__cpp_exceptions)
TEST_P(AsioLifetimeTest, DestroysACoroutineWithItsContext) {
  const SilentServer server;
  const Client client = ClientOf(server.target());
  auto [in_frame, frame] = Witness();
  auto context = std::make_unique<asio::io_context>();
  auto calls = NewCalls(*context);
  asio::co_spawn(
      *context,
      [&, held = std::move(in_frame)]() -> asio::awaitable<void> {
        const auto copy = held;
        (void)co_await calls->Call(client, {.timeout = kHang}, Ask, asio::use_awaitable);
        ADD_FAILURE() << "resumed";
      },
      asio::detached);
  context->poll();
  EXPECT_FALSE(frame.expired());
  context.reset();
  EXPECT_TRUE(frame.expired());
}
#endif

// An I/O context that stops for a while loses nothing.
TEST_P(AsioLifetimeTest, WaitsForAContextThatWasStopped) {
  auto result = calls_->Run([] { return absl::StatusOr<int>(3); }, asio::use_future);
  io_.stop();
  io_.run();
  EXPECT_EQ(result.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  io_.restart();
  io_.run();
  EXPECT_THAT(result.get(), testing::IsOkAndHolds(3));
}

// What the work captured is gone before its handler runs.
TEST_P(AsioLifetimeTest, LetsGoOfTheWorkBeforeTheHandlerRuns) {
  auto [in_work, work] = Witness();
  bool expired = false;
  calls_->Run([held = std::move(in_work)] { return absl::OkStatus(); },
              [&, watched = work](const absl::Status&) { expired = watched.expired(); });
  io_.run();
  EXPECT_TRUE(expired);
}

TEST_P(AsioLifetimeTest, MayBeOwnedByAHandler) {
  auto shared = std::shared_ptr<AsioCalls>(std::move(calls_));
  bool called = false;
  shared->Run([] { return absl::OkStatus(); },
              [&called, shared](const absl::Status&) { called = true; });
  shared.reset();
  io_.run();
  EXPECT_TRUE(called);
}

TEST_P(AsioLifetimeTest, StartsFromManyThreads) {
  std::atomic<int> called{0};
  auto guard = asio::make_work_guard(io_);
  std::thread running([&] { io_.run(); });
  std::vector<std::thread> starting;
  for (int i = 0; i < 4; ++i) {
    starting.emplace_back([&] {
      for (int n = 0; n < 50; ++n) {
        calls_->Run([] { return absl::OkStatus(); }, [&](const absl::Status&) { ++called; });
      }
    });
  }
  for (std::thread& thread : starting) thread.join();
  guard.reset();
  running.join();
  EXPECT_EQ(called, 200);
}

// A fiber that a shutdown leaves behind never comes to its end; its handler does.
TEST(AsioLifetime, AnswersForFibersThatWereLeftBehind) {
  REDIAL_LEAKS_ON_PURPOSE;  // what the fiber owns
  asio::io_context io;
  absl::Status result;
  {
    auto fibers = FiberRuntime::Create({.workers = 1});
    ASSERT_TRUE(fibers.ok()) << fibers.status();
    AsioCalls calls(io, *fibers);
    // Shared with the fiber, whose stack is never unwound: a leak to nobody's surprise.
    static Event* const waited_for = new Event;
    calls.Run(
        [] {
          Runtime::Current().WaitFor(*waited_for);
          return absl::OkStatus();
        },
        [&](absl::Status r) { result = std::move(r); });
    testing::Pause(absl::Milliseconds(10));
    EXPECT_THAT(fibers->Shutdown(Deadline::Past()), StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
  io.run();
  EXPECT_THAT(result,
              StatusIs(absl::StatusCode::kCancelled, "left behind by the runtime that ran it"));
}

TEST(AsioLifetime, SaysThatTheFibersWereShutDown) {
  asio::io_context io;
  auto fibers = FiberRuntime::Create({.workers = 1});
  ASSERT_TRUE(fibers.ok()) << fibers.status();
  AsioCalls calls(io, *fibers);
  EXPECT_TRUE(fibers->Shutdown(testing::In(kHang)).ok());
  auto result = calls.Run([] { return absl::OkStatus(); }, asio::use_future);
  io.run();
  EXPECT_THAT(result.get(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "this FiberRuntime was shut down"));
}

}  // namespace
}  // namespace redial
