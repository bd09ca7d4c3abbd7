// The recommended policies on a real Redis: pings it ten times a second, and says a line whenever
// something changes. Stop that Redis and start it again to see what each policy does;
// docs/recommended_on_redis.md shows what is printed then, and explains it.
//
//   example_recommended_redis tcp://127.0.0.1:6379     # until SIGINT (Ctrl-C) or SIGTERM
//   example_recommended_redis tcp://127.0.0.1:6379 60  # for a minute, at most
#include <signal.h>

#include <cstddef>
#include <ctime>
#include <iomanip>
#include <iostream>
#include <optional>
#include <sstream>
#include <stop_token>
#include <tuple>

#include "absl/strings/numbers.h"
#include "redial/redial.h"

namespace {

constexpr absl::Duration kTimeout = absl::Seconds(2);

// Prints lines, each with the seconds since the start. A call reports on the thread that makes it,
// and here one thread makes them all, so nothing needs a lock.
class Diary {
 public:
  // From within a call: what becomes of the breaker and of the budget.
  void OnEvent(const redial::CallEvent& event) const {
    if (event.type != redial::CallEvent::Type::kPolicyChanged) return;
    std::ostringstream hold;
    if (!event.until.is_never()) {
      hold << " for " << absl::Trunc(event.until.remaining(event.now), absl::Milliseconds(10));
    }
    Line("CHANGED: ", event.policy, event.label.empty() ? "" : " ", event.label, " is ", event.to,
         hold.str(), ", was ", event.from);
  }

  // After each call. One that failed just as the one before is counted, not told.
  void OnResult(const absl::Status& status) {
    std::optional<Kind> kind;
    if (!status.ok()) {
      if (!latest_) since_ = Now();
      ++failed_;
      const redial::Failure failure = redial::FailureOf(status).value_or(redial::Failure());
      kind = Kind(failure.attempts.size(), failure.phase, failure.error, failure.why);
      if (kind != latest_) {
        Line(failure.attempts.empty() ? "REFUSED: " : "FAILING: ", redial::Story(status));
      }
    } else if (latest_) {
      Line("FINE AGAIN: after ", absl::ToDoubleSeconds(Now() - since_), " s, in which ", failed_,
           " calls failed");
      failed_ = 0;
    } else if (!asked_) {
      Line("FINE: Redis answers");
    }
    latest_ = kind;
    asked_ = true;
  }

  void OnEnd() const { Line("ENDED, while Redis ", latest_ ? "failed" : "answered"); }
  bool failing() const { return latest_.has_value(); }

 private:
  // Of a failure: how many attempts it took, in what the last one failed and with which errno, and
  // why there was no other. Where these are equal, a person would call it the same.
  using Kind = std::tuple<size_t, redial::Phase, int, redial::Reason>;

  static redial::Instant Now() { return redial::Runtime::Current().Now(); }
  template <class... Words>
  void Line(const Words&... words) const {
    std::cout << std::fixed << std::setprecision(1) << std::setw(6)
              << absl::ToDoubleSeconds(Now() - began_) << " s  ";
    (std::cout << ... << words) << std::endl;
  }

  const redial::Instant began_ = Now();
  redial::Instant since_;       // it failed, if it does
  int failed_ = 0;              // calls, since then
  std::optional<Kind> latest_;  // nullopt where it answered
  bool asked_ = false;
};

// Requests stop after so long, or when a signal asks for it. To be called before other threads are
// made: each inherits that these signals are blocked, so that they are left for this one.
absl::StatusOr<redial::Task> StopLater(const std::stop_source& stop, int seconds) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return redial::Runtime::Current().Spawn([=] {
    const timespec left = {.tv_sec = seconds, .tv_nsec = 0};
    sigtimedwait(&signals, nullptr, &left);
    stop.request_stop();
  });
}

absl::Status Ping(redial::Socket& socket) {
  if (absl::Status sent = socket.Write("PING\r\n"); !sent.ok()) return sent;
  auto reply = socket.ReadUntil("\r\n", {.max_bytes = 512});
  if (!reply.ok() || *reply == "+PONG\r\n") return reply.status();
  return redial::Rejected(absl::UnavailableError(*reply));  // it is LOADING, say: not yet
}

int Refuse(const absl::Status& status) {
  std::cerr << status.message() << '\n';
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  int seconds = 1 << 30;  // without end
  if (argc < 2 || argc > 3 || (argc == 3 && !absl::SimpleAtoi(argv[2], &seconds))) {
    return Refuse(absl::InvalidArgumentError("usage: example_recommended_redis TARGET [SECONDS]"));
  }
  Diary diary;
  const auto report = redial::ToFunction([&](const auto& event) { diary.OnEvent(event); });
  auto redis =
      redial::Client::Create(argv[1], redial::Recommended({.label = "redis", .report = report}));
  if (!redis.ok()) return Refuse(redis.status());
  std::cout << redis->policies().Explain({.timeout = kTimeout, .idempotent = true}).text << '\n';

  std::stop_source stop;
  auto stopper = StopLater(stop, seconds);
  if (!stopper.ok()) return Refuse(stopper.status());
  redial::Runtime& runtime = redial::Runtime::Current();
  const redial::CallOptions ping = {
      .operation = "PING", .timeout = kTimeout, .idempotent = true, .stop = stop.get_token()};
  redial::Deadline next;
  do {
    next = redial::Deadline::After(runtime.Now(), absl::Milliseconds(100));
    const absl::Status status = redis->Call(ping, Ping);
    if (!stop.stop_requested()) diary.OnResult(status);
  } while (runtime.SleepUntil(next, ping.stop) != redial::WaitResult::kStopped);
  diary.OnEnd();
  return diary.failing() ? 1 : 0;
}
