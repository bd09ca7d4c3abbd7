// A story is told from the structured failure, not from the status's message, so that it reads
// alike whoever made the status. An attempt's own message comes in where it says more: in an
// application's failures, and after "read from <address>" in redial's own (see `Doing`).
#include "src/core/story.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "redial/failure.h"
#include "redial/reason.h"
#include "src/core/format.h"
#include "src/core/status.h"
#include "src/core/strings.h"

namespace redial {
namespace {

using internal::BytesText;
using internal::Count;
using internal::Doing;
using internal::DurationText;
using internal::OneLine;
using internal::ToAbsl;
using internal::ToStd;

// Of a long list, so many entries are told at each end.
constexpr size_t kToldAtEachEnd = 4;

// `count` entries, the middle ones of a long list left out: "a; b; c; d; … 12 more …; q; r; s; t".
template <class Tell>
std::string Join(size_t count, std::string_view separator, Tell tell) {
  std::string text;
  const bool elide = count > 2 * kToldAtEachEnd;
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) text += separator;
    if (elide && i == kToldAtEachEnd) {
      const size_t left_out = count - 2 * kToldAtEachEnd;
      absl::StrAppend(&text, "… ", left_out, " more …", ToAbsl(separator));
      i += left_out;
    }
    text += tell(i);
  }
  return text;
}

void AppendWord(std::string& text, std::string_view word) {
  if (word.empty()) return;
  if (!text.empty()) text += ' ';
  text += word;
}

std::string ErrnoWords(int error) {
  return absl::StrCat(ErrnoText(error), " (", ErrnoName(error), ")");
}

std::string_view Verb(Phase phase) {
  switch (phase) {
    case Phase::kNone:
      return "";
    case Phase::kResolve:
      return "look-up";
    case Phase::kQueue:
      return "wait for a permit";
    case Phase::kBackoff:
      return "pause";
    default:
      return PhaseName(phase);
  }
}

constexpr std::string_view kTimedOut = "timed out";

// An attempt's own time may be up before the call's: then its story says so.
std::string NamingAttemptTimeout(std::string text) {
  const size_t at = text.find(kTimedOut);
  text.insert(at == std::string::npos ? text.size() : at + kTimedOut.size(), " (attempt timeout)");
  return text;
}

// "connect timed out after 2 s, with 0 bytes and no delimiter": the bytes are told beside it.
std::string_view WithoutNothing(std::string_view text) {
  const std::string nothing = internal::UndelimitedText(0);
  for (const std::string_view joint : {", with ", ", after ", " after "}) {
    if (text.ends_with(nothing) && text.substr(0, text.size() - nothing.size()).ends_with(joint)) {
      return text.substr(0, text.size() - nothing.size() - joint.size());
    }
  }
  return text;
}

// How addresses that timed out did: whose limit it was.
enum class Limit : uint8_t { kKernels, kOurs, kAttempts };

Limit LimitOf(absl::StatusCode code) {
  return code == absl::StatusCode::kDeadlineExceeded ? Limit::kOurs : Limit::kKernels;
}

// "[::1]:6379 connection refused (ECONNREFUSED) after 1 ms".
std::string TriedText(const AddressTried& tried, Phase phase, Limit limit) {
  std::string text;
  if (phase == Phase::kResolve) text = "name server";
  AppendWord(text, tried.address);
  if (phase == Phase::kResolve && tried.error == ETIMEDOUT) {
    text += " did not answer";
  } else if (tried.error == ETIMEDOUT && limit != Limit::kKernels) {
    text += " connect timed out";
    if (limit == Limit::kAttempts) text = NamingAttemptTimeout(std::move(text));
  } else if (tried.error == ECANCELED) {
    text += " given up";
  } else if (tried.error == ECONNREFUSED || phase == Phase::kResolve) {
    AppendWord(text, ErrnoWords(tried.error));
  } else {
    absl::StrAppend(&text, " connect: ", ErrnoWords(tried.error));
  }
  return absl::StrCat(text, " after ", DurationText(tried.elapsed));
}

// The addresses that failed and that `told` doesn't name yet.
std::string Untold(const std::vector<AddressTried>& tried, std::string_view told, Phase phase,
                   Limit limit) {
  std::vector<const AddressTried*> failed;
  for (const AddressTried& each : tried) {
    if (each.error != 0 && told.find(each.address) == std::string_view::npos) {
      failed.push_back(&each);
    }
  }
  return Join(failed.size(), ", ", [&](size_t i) { return TriedText(*failed[i], phase, limit); });
}

bool WasCutShort(absl::StatusCode code) {
  return code == absl::StatusCode::kDeadlineExceeded || code == absl::StatusCode::kCancelled;
}

// Whether its bytes are told even where there were none.
bool TellsBytes(Phase phase) { return phase == Phase::kWrite || phase == Phase::kRead; }

// What went wrong, where the message doesn't begin as redial's own do.
std::string Words(const AttemptRecord& record) {
  std::string text(Verb(record.phase));
  if (record.error != 0 && !WasCutShort(record.code)) {
    if (!text.empty()) text += ": ";
    return text += ErrnoWords(record.error);
  }
  if (WasCutShort(record.code)) {
    AppendWord(text, record.code == absl::StatusCode::kCancelled ? "stopped" : "timed out");
  }
  return text;
}

// "read timed out after 500 ms", without address and bytes.
std::string BareBody(const AttemptRecord& record) {
  if (record.code == absl::StatusCode::kOk) return "returned a result that counts as a failure";
  std::string detail = OneLine(record.detail);
  const std::string doing = Doing(record.phase, record.address);
  if (record.phase != Phase::kNone && absl::StartsWith(detail, doing)) {
    std::string_view rest = std::string_view(detail).substr(doing.size());
    if (record.bytes_received == 0 && TellsBytes(record.phase)) rest = WithoutNothing(rest);
    // "connection refused" says by itself what was being done.
    if (record.error == ECONNREFUSED && rest.starts_with(": ")) return std::string(rest.substr(2));
    return std::string(Verb(record.phase)).append(rest);
  }
  if (record.phase == Phase::kResolve && !detail.empty()) return detail;
  std::string text = Words(record);
  if (!detail.empty()) {
    if (!text.empty()) text += ": ";
    return text += detail;
  }
  if (WasCutShort(record.code) || record.error != 0) return text;
  AppendWord(text, text.empty() ? "failed with" : "failed:");
  AppendWord(text, ToStd(absl::StatusCodeToString(record.code)));
  return text;
}

std::string Body(const AttemptRecord& record) {
  std::string text = BareBody(record);
  return record.attempt_timeout ? NamingAttemptTimeout(std::move(text)) : text;
}

// ", 6 B sent, 0 B received", where there was a connection to send over.
std::string BytesSuffix(Phase phase, uint64_t sent, uint64_t received) {
  if (!TellsBytes(phase) && sent == 0 && received == 0) return {};
  return absl::StrCat(", ", BytesText(sent), " sent, ", BytesText(received), " received");
}

// " after 12 ms", unless `text` says a time already; "in", where another "after" would confuse.
std::string TimeSuffix(std::string_view text, absl::StatusCode code, absl::Duration elapsed) {
  const bool has_after = absl::StrContains(ToAbsl(text), " after ");
  if (WasCutShort(code) && (has_after || absl::StrContains(ToAbsl(text), "not begun"))) return {};
  return absl::StrCat(has_after ? " in " : " after ", DurationText(elapsed));
}

std::string AttemptText(const AttemptRecord& record) {
  const Limit limit = LimitOf(record.code);
  if (record.phase == Phase::kConnect) {
    // The addresses' own outcomes are the outcome.
    std::string tried =
        Untold(record.tried, {}, record.phase, record.attempt_timeout ? Limit::kAttempts : limit);
    if (!tried.empty()) return tried;
  }
  const std::string body = Body(record);
  std::string text;
  // A look-up is of a name, which the body has.
  if (record.phase != Phase::kResolve) text = record.address;
  AppendWord(text, body);
  text += TimeSuffix(body, record.code, record.elapsed);
  text += BytesSuffix(record.phase, record.bytes_sent, record.bytes_received);
  const Phase tried_in = record.phase == Phase::kResolve ? Phase::kResolve : Phase::kConnect;
  const std::string before = Untold(record.tried, text, tried_in, limit);
  if (!before.empty()) {
    absl::StrAppend(&text, tried_in == Phase::kResolve ? " (" : " (before it, ", before, ")");
  }
  return text;
}

std::string NumberedAttempt(const AttemptRecord& record) {
  return absl::StrCat("#", record.number, record.kind == AttemptKind::kHedge ? " (hedge) " : " ",
                      AttemptText(record));
}

// What else spoke against another attempt: " (also: attempts exhausted, retry budget empty)".
std::string OtherReasons(const Failure& failure) {
  std::string text;
  for (int i = kReasonCount - 1; i > 0; --i) {
    const auto reason = static_cast<Reason>(i);
    if (!failure.reasons.Has(reason) || reason == failure.why) continue;
    // The absence of a policy and the ordinary pause explain nothing beside a reason that does.
    if (reason == Reason::kNotRetried || reason == Reason::kBackoff) continue;
    absl::StrAppend(&text, text.empty() ? " (also: " : ", ", ToAbsl(ReasonText(reason)));
  }
  if (!text.empty()) text += ")";
  return text;
}

std::string WhyText(const Failure& failure) {
  const bool too_late_to_begin = failure.why == Reason::kDeadline && failure.attempts.empty();
  std::string text(too_late_to_begin ? "the deadline leaves no time for it"
                                     : ReasonText(failure.why));
  text += OtherReasons(failure);
  if (failure.retry_at.has_value()) {
    absl::StrAppend(&text, ", next try in ", DurationText(*failure.retry_at));
  }
  return text;
}

// Whether the peer may have acted, where the rest of the story doesn't settle it.
std::string_view ActedText(const Failure& failure) {
  bool maybe = false;
  bool rejected = false;
  bool connected = false;
  for (const AttemptRecord& record : failure.attempts) {
    maybe = maybe || record.sent == Sent::kMaybe || record.sent == Sent::kAnswered;
    rejected = rejected || record.sent == Sent::kRejected;
    connected = connected || record.phase == Phase::kNone || record.phase == Phase::kWrite ||
                record.phase == Phase::kRead || record.phase == Phase::kClose;
  }
  if (maybe) return failure.why == Reason::kUnsafe ? "" : "; it may have been executed";
  if (rejected) return "; the peer did not execute it";
  return connected ? "; nothing was sent" : "";
}

std::string CallStory(const absl::Status& status, const Failure& failure) {
  std::string text(failure.operation);
  AppendWord(text, failure.target);
  if (text.empty()) text = "call";
  const size_t count = failure.attempts.size();
  const bool stopped = failure.why == Reason::kCancelled;
  if (count == 0) {
    text += " was not attempted";
    if (failure.elapsed >= absl::Milliseconds(1)) {
      absl::StrAppend(&text, " in ", DurationText(failure.elapsed));
    }
    absl::StrAppend(
        &text, ": ",
        failure.why == Reason::kNone ? OneLine(ToStd(status.message())) : WhyText(failure));
    return text;
  }
  text += stopped ? " was stopped" : " failed";
  if (count > 1) absl::StrAppend(&text, " after ", Count(count, "attempt"));
  absl::StrAppend(&text, " in ", DurationText(failure.elapsed), ": ");
  text += count == 1
              ? AttemptText(failure.attempts.front())
              : Join(count, "; ", [&](size_t i) { return NumberedAttempt(failure.attempts[i]); });
  if (failure.retry_after.has_value()) {
    absl::StrAppend(&text, "; the peer asked for a pause of ", DurationText(*failure.retry_after));
  }
  if (!stopped && failure.why != Reason::kNone) {
    absl::StrAppend(&text, "; not retried: ", WhyText(failure));
  }
  return text.append(ActedText(failure));
}

// A failed operation outside a call: what its message says, and what it leaves out.
std::string OperationStory(const absl::Status& status, const Failure& failure) {
  std::string text = OneLine(ToStd(status.message()), 1000);
  if (failure.bytes_received == 0 && TellsBytes(failure.phase))
    text = std::string(WithoutNothing(text));
  if (text.empty() || failure.phase == Phase::kNone) {
    text = absl::StrCat(absl::StatusCodeToString(status.code()), text.empty() ? "" : ": ", text);
  }
  if (failure.elapsed > absl::ZeroDuration()) {
    text += TimeSuffix(text, status.code(), failure.elapsed);
  }
  text += BytesSuffix(failure.phase, failure.bytes_sent, failure.bytes_received);
  const Phase tried_in = failure.phase == Phase::kResolve ? Phase::kResolve : Phase::kConnect;
  const std::string tried = Untold(failure.tried, text, tried_in, LimitOf(status.code()));
  if (!tried.empty()) absl::StrAppend(&text, " (", tried, ")");
  if (failure.retry_after.has_value()) {
    absl::StrAppend(&text, "; the peer asked for a pause of ", DurationText(*failure.retry_after));
  }
  if (failure.sent == Sent::kRejected) return text + "; the peer did not execute it";
  if (failure.declared && failure.sent == Sent::kNo) return text + "; nothing was sent";
  return text;
}

std::string Tell(const absl::Status& status) {
  const std::optional<Failure> failure = FailureOf(status);
  if (!failure.has_value()) {
    if (status.message().empty()) return absl::StatusCodeToString(status.code());
    return absl::StrCat(absl::StatusCodeToString(status.code()), ": ", status.message());
  }
  const bool of_call = !failure->attempts.empty() || !failure->operation.empty() ||
                       !failure->target.empty() || failure->why != Reason::kNone;
  return of_call ? CallStory(status, *failure) : OperationStory(status, *failure);
}

}  // namespace

namespace internal {

std::string AttemptText(const AttemptRecord& record) {
  return OneLine(redial::AttemptText(record), std::numeric_limits<size_t>::max());
}

}  // namespace internal

std::string Story(const absl::Status& status) {
  if (status.ok()) return "OK";
  // Operations, paths and messages are other people's: nothing in them may break the line.
  return OneLine(Tell(status), std::numeric_limits<size_t>::max());
}

}  // namespace redial
