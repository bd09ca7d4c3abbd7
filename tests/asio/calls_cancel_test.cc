// Cancellation slots reach a call's stop token in every state that the call can be in.
#include "tests/asio/calls_kit.h"
#include "tests/support/kernel.h"

namespace redial {
namespace {

using testing::AsioCallsTest;
using testing::Ask;
using testing::ClientOf;
using testing::Pause;
using testing::SilentServer;
using testing::StatusIs;

constexpr absl::Duration kHang = absl::Seconds(5);
constexpr absl::Duration kSoon = absl::Milliseconds(20);

class AsioCancelTest : public AsioCallsTest {
 protected:
  // Starts a call, gives it time to come to its wait, cancels it, and has its result.
  absl::StatusOr<std::string> Cancelled(
      const Client& client, asio::cancellation_type type = asio::cancellation_type::terminal) {
    asio::cancellation_signal signal;
    absl::StatusOr<std::string> result;
    calls_->Call(client, {.operation = "ask", .timeout = 2 * kHang, .idempotent = true}, Ask,
                 asio::bind_cancellation_slot(
                     signal.slot(), [&](absl::StatusOr<std::string> r) { result = std::move(r); }));
    Pause(kSoon);
    const Instant start = Runtime::Threads().Now();
    signal.emit(type);
    io_.run();
    EXPECT_LT(Runtime::Threads().Now() - start, kHang);
    return result;
  }
};

INSTANTIATE_TEST_SUITE_P(, AsioCancelTest, ::testing::Bool(), testing::PlaceName);

TEST_P(AsioCancelTest, WhileConnecting) {
  const testing::BlackHole hole(testing::Host(1));
  const auto target = "tcp://" + testing::Host(1) + ":" + std::to_string(hole.port());
  const auto result = Cancelled(ClientOf(target));
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(FailureOf(result.status())->attempts.at(0).phase, Phase::kConnect);
}

TEST_P(AsioCancelTest, WhileReading) {
  const SilentServer server;
  const auto result = Cancelled(ClientOf(server.target()));
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(FailureOf(result.status())->attempts.at(0).phase, Phase::kRead);
  EXPECT_EQ(FailureOf(result.status())->sent, Sent::kMaybe);
}

TEST_P(AsioCancelTest, WhilePausingBetweenAttempts) {
  const auto result = Cancelled(
      ClientOf("tcp://127.0.0.1:1",
               {Retry({.max_attempts = 2, .backoff = Constant(2 * kHang - absl::Seconds(1))})}));
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(FailureOf(result.status())->attempts.size(), 1u);
}

TEST_P(AsioCancelTest, PartiallyToo) {
  const SilentServer server;
  EXPECT_THAT(Cancelled(ClientOf(server.target()), asio::cancellation_type::partial),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_P(AsioCancelTest, AfterItEnded) {
  asio::cancellation_signal signal;
  absl::StatusOr<int> result;
  calls_->Run(
      [&]() -> absl::StatusOr<int> { return 3; },
      asio::bind_cancellation_slot(signal.slot(), [&](absl::StatusOr<int> r) { result = r; }));
  // Its result is on its way, or has arrived.
  while (io_.poll() == 0) Pause(absl::Milliseconds(1));
  signal.emit(asio::cancellation_type::all);
  io_.run();
  EXPECT_THAT(result, testing::IsOkAndHolds(3));
}

// A total cancellation would have to promise that nothing happened.
TEST_P(AsioCancelTest, NotTotallyAlone) {
  asio::cancellation_signal signal;
  bool stopped = false;
  Event may_end;
  calls_->Run(
      [&](std::stop_token stop) {
        Runtime::Current().WaitFor(may_end);
        stopped = stop.stop_requested();
        return absl::OkStatus();
      },
      asio::bind_cancellation_slot(signal.slot(), [](const absl::Status&) {}));
  signal.emit(asio::cancellation_type::total);
  may_end.Set();
  io_.run();
  EXPECT_FALSE(stopped);
}

#if defined(__cpp_exceptions)
TEST_P(AsioCancelTest, OfTheCoroutineThatAwaitsIt) {
  const SilentServer server;
  const Client client = ClientOf(server.target());
  asio::cancellation_signal signal;
  absl::StatusOr<std::string> result;
  asio::co_spawn(
      io_,
      [&]() -> asio::awaitable<void> {
        result = co_await calls_->Call(client, {.timeout = kHang}, Ask, asio::use_awaitable);
      },
      asio::bind_cancellation_slot(signal.slot(), asio::detached));
  io_.poll();
  Pause(kSoon);
  signal.emit(asio::cancellation_type::terminal);
  io_.run();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled));
}
#endif

TEST_P(AsioCancelTest, BesideTheCallersOwnStopToken) {
  const SilentServer server;
  const Client client = ClientOf(server.target());
  std::stop_source stop;
  asio::cancellation_signal signal;
  auto result = calls_->Call(client, {.timeout = kHang, .stop = stop.get_token()}, Ask,
                             asio::bind_cancellation_slot(signal.slot(), asio::use_future));
  Pause(kSoon);
  stop.request_stop();
  io_.run();
  EXPECT_THAT(result.get(), StatusIs(absl::StatusCode::kCancelled));
}

TEST(AsioCancel, BeforeItBegan) {
  asio::io_context io;
  testing::HeldRuntime held;
  AsioCalls calls(io, held);
  asio::cancellation_signal signal;
  absl::Status result;
  int attempts = 0;
  calls.Call(
      {.operation = "never"}, PolicySet(),
      [&] {
        ++attempts;
        return absl::OkStatus();
      },
      asio::bind_cancellation_slot(signal.slot(), [&](absl::Status r) { result = r; }));
  signal.emit(asio::cancellation_type::terminal);
  held.Release();
  io.run();
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(attempts, 0);
}

}  // namespace
}  // namespace redial
