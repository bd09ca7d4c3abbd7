// Prints lines of every kind: those of calls that go every way a call can go, on a network that is
// scripted; and for each name that a line may have in it, one that has it.
#include <cerrno>
#include <cstdio>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>

#include "redial/redial.h"
#include "redial/testing/fake_network.h"

namespace {

absl::StatusOr<std::string> Ping(const redial::Client& client, redial::CallOptions options = {}) {
  options.operation = "PING";
  options.timeout = absl::Seconds(2);
  options.idempotent = true;
  return client.Call(options, [](redial::Socket& socket) -> absl::StatusOr<std::string> {
    if (auto sent = socket.Write("PING\r\n"); !sent.ok()) return sent;
    return socket.ReadUntil("\r\n", {.max_bytes = 512});
  });
}

bool MakeCalls(const redial::SinkPtr& lines) {
  redial::testing::FakeNetwork net;
  net.Script("tcp://cache:6379")
      .Refuse()
      .Accept()
      .Expect("PING\r\n")
      .Reply("+PONG\r\n")
      .Accept()
      .Expect("PING\r\n")
      .Stall()
      .Refuse()
      .Refuse();
  const auto with = [&](redial::PolicyList policies) {
    policies.push_back(redial::Report(lines));
    return *redial::Client::Create("tcp://cache:6379", std::move(policies), {.network = net});
  };
  if (!Ping(with({redial::Retry()})).ok()) return false;
  if (Ping(with({redial::AttemptTimeout(absl::Milliseconds(100))})).ok()) return false;
  if (Ping(with({redial::CircuitBreaker({.consecutive_failures = 1})})).ok()) return false;
  const auto give_up = [](const redial::CallEvent&) { return redial::Answer::kGiveUp; };
  if (Ping(with({redial::AskUser(give_up)})).ok()) return false;
  std::stop_source stop;
  stop.request_stop();
  return !Ping(with({}), {.stop = stop.get_token()}).ok();
}

redial::CallEvent New(redial::CallEvent::Type type) {
  redial::CallEvent event;
  event.type = type;
  event.call_id = 0xfedcba9876543210;
  event.operation = "GET \"a\"\n\xff";
  event.began = event.now = redial::Instant::FromNanos(1'000'000);
  event.attempt = 1;
  return event;
}

void TellEnded(redial::Sink& lines, const redial::AttemptRecord& record) {
  const absl::Status status(record.code, "\x01 a peer's \xfe bytes");
  redial::CallEvent event = New(redial::CallEvent::Type::kAttemptEnded);
  event.kind = record.kind;
  event.status = &status;
  event.record = &record;
  event.failed_result = status.ok();
  lines.On(event);
}

void TellEveryName(redial::Sink& lines) {
  using redial::Phase;
  for (int code = 0; code <= 16; ++code) {
    TellEnded(lines, {.code = static_cast<absl::StatusCode>(code)});
  }
  for (int phase = 0; phase <= static_cast<int>(Phase::kBackoff); ++phase) {
    TellEnded(lines, {.phase = static_cast<Phase>(phase), .error = phase == 0 ? 4711 : ECONNRESET});
  }
  for (const redial::Sent sent : {redial::Sent::kNo, redial::Sent::kMaybe, redial::Sent::kRejected,
                                  redial::Sent::kAnswered}) {
    TellEnded(lines, {.sent = sent});
  }
  TellEnded(lines, {.kind = redial::AttemptKind::kHedge});
  for (int reason = 1; reason < redial::kReasonCount; ++reason) {
    redial::CallEvent waiting = New(redial::CallEvent::Type::kWaiting);
    waiting.reason = static_cast<redial::Reason>(reason);
    waiting.until = redial::Deadline::Never();
    lines.On(waiting);
    redial::CallEvent ended = New(redial::CallEvent::Type::kCallEnded);
    const absl::Status status = absl::UnavailableError("down");
    ended.status = &status;
    ended.reason = waiting.reason;
    ended.reasons = redial::ReasonSet::FromBits(~uint64_t{0});
    lines.On(ended);
  }
  lines.On(New(redial::CallEvent::Type::kCallStarted));
}

}  // namespace

int main() {
  const redial::SinkPtr lines = redial::ToLines(stdout);
  if (!MakeCalls(lines)) return 1;
  TellEveryName(*lines);
  return 0;
}
