// Candidates in front of a rate limit, which they ask as the engine would.
//
//   auto limit = RateLimit({.rate = 10});
//   StartsAt(*limit, kNow);  // 0
//   StartsAt(*limit, kNow);  // 100
#ifndef REDIAL_TESTS_UNIT_RATE_LIMIT_KIT_H_
#define REDIAL_TESTS_UNIT_RATE_LIMIT_KIT_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

#include "redial/policies/rate_limit.h"
#include "tests/support/policy_view.h"

namespace redial::testing {

inline constexpr absl::Duration kNow = absl::ZeroDuration();

// A candidate, as the engine keeps it: its ticket, its turn, its token.
struct Candidate {
  Ticket ticket;
  Token token = 0;
  bool asked = false;
};

inline View ViewAt(absl::Duration when, absl::Duration timeout = absl::InfiniteDuration()) {
  View view;
  view.now = kEnded + when;
  view.began = view.now;
  view.deadline = Deadline::After(view.now, timeout);
  return view;
}

// Asks as the engine would, and holds the policy to the law that `Judge` rejects what `Reserve` does.
inline Verdict Ask(Policy& limit, View view, Candidate& candidate) {
  view.has_ticket = candidate.asked;
  view.ticket = candidate.asked ? &candidate.ticket : nullptr;
  const Verdict judged = limit.Judge(view);
  EXPECT_EQ(judged, limit.Judge(view));
  if (!judged.admits(view.now)) return judged;
  candidate.asked = true;
  const Verdict reserved = limit.Reserve(view, candidate.token, &candidate.ticket);
  EXPECT_FALSE(reserved.rejects());
  return reserved;
}
// The turn of a new candidate, which uses it; in milliseconds from `kEnded`, or -1 if it was refused.
inline int64_t StartsAt(Policy& limit, absl::Duration when) {
  Candidate candidate;
  const Verdict verdict = Ask(limit, ViewAt(when), candidate);
  if (verdict.rejects()) return -1;
  const Instant start = std::max(kEnded + when, verdict.at());
  return absl::ToInt64Milliseconds(start - kEnded);
}
inline bool StartsAtOnce(Policy& limit, absl::Duration when) {
  Candidate candidate;
  return Ask(limit, ViewAt(when), candidate) == Verdict::Admit();
}

}  // namespace redial::testing

#endif  // REDIAL_TESTS_UNIT_RATE_LIMIT_KIT_H_
