#include "redial/reason.h"

#include <array>
#include <cstddef>
#include <string_view>

namespace redial {
namespace {

struct Words {
  std::string_view name;
  std::string_view text;
};

constexpr std::array<Words, kReasonCount> kWords = {{
    {"none", "no reason"},
    {"backoff", "pausing between attempts"},
    {"server_hint", "the peer asked for a pause"},
    {"rate_limited", "rate limited"},
    {"queued", "waiting for a permit"},
    {"parked", "retries are held back until a call succeeds"},
    {"undecided", "a person has not answered yet"},
    {"not_retried", "no policy proposes a retry"},
    {"not_retriable", "another attempt would not mend this failure"},
    {"exhausted", "attempts exhausted"},
    {"budget", "retry budget empty"},
    {"queue_full", "no room to wait for a permit"},
    {"overload", "refused to spare an overloaded server"},
    {"refused", "refused by a policy"},
    {"breaker_open", "circuit breaker open"},
    {"fail_fast", "set to fail fast"},
    {"gave_up", "a person gave up"},
    {"unsafe", "it may have been executed and is not idempotent"},
    {"deadline", "the deadline leaves no time for another attempt"},
    {"cancelled", "stop was requested"},
}};
static_assert(!kWords.back().name.empty(), "a reason has no words");

const Words& WordsOf(Reason reason) {
  const auto index = static_cast<size_t>(reason);
  return kWords[index < kWords.size() ? index : 0];
}

}  // namespace

std::string_view ReasonText(Reason reason) { return WordsOf(reason).text; }
std::string_view ReasonName(Reason reason) { return WordsOf(reason).name; }

}  // namespace redial
