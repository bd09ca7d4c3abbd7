// What PolicySet::Explain says. Each policy describes itself; here their figures are joined as the
// engine joins their verdicts, and held against each other.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "redial/description.h"
#include "redial/explanation.h"
#include "redial/policy_set.h"
#include "src/core/format.h"
#include "src/core/strings.h"

namespace redial {
namespace {

using internal::Count;
using internal::ToAbsl;

constexpr int kUnlimited = std::numeric_limits<int>::max();

struct Described {
  const Policy* policy;
  Description description;
};

// "CircuitBreaker search": with its label, several of one name are told apart.
std::string Which(const Policy& policy) {
  std::string text(policy.name());
  if (!policy.label().empty()) absl::StrAppend(&text, " ", internal::OneLine(policy.label()));
  return text;
}

// The set as a whole.
struct Joined {
  int max_attempts = kUnlimited;
  std::string_view fewest;  // who allows the fewest
  absl::Duration attempt_timeout = absl::InfiniteDuration();
  std::string_view shortest;
  double attempt_share = 1;
  bool bounds_attempts = false;
  absl::Duration pauses = absl::ZeroDuration();
  absl::Duration hinted_pauses = absl::ZeroDuration();
  absl::Duration queueing = absl::ZeroDuration();
  absl::Duration hedge_after = absl::InfiniteDuration();
  int max_hedges = 0;
  bool caps_retries = false;
};

Joined Join(const std::vector<Described>& all) {
  Joined joined;
  int hedges = kUnlimited;
  for (const auto& [policy, d] : all) {
    if (d.max_attempts < joined.max_attempts) {
      joined.max_attempts = d.max_attempts;
      joined.fewest = policy->name();
    }
    if (d.attempt_timeout < joined.attempt_timeout) {
      joined.attempt_timeout = d.attempt_timeout;
      joined.shortest = policy->name();
    }
    if (d.attempt_share < joined.attempt_share) {
      joined.attempt_share = d.attempt_share;
      if (joined.shortest.empty()) joined.shortest = policy->name();
    }
    joined.bounds_attempts |= d.bounds_attempts;
    joined.pauses = std::max(joined.pauses, d.pauses);
    joined.hinted_pauses = std::max({joined.hinted_pauses, d.hinted_pauses, d.pauses});
    joined.queueing += d.queueing;  // its turn here may come when that there has passed
    if (d.max_hedges > 0) hedges = std::min(hedges, d.max_hedges);
    joined.hedge_after = std::min(joined.hedge_after, d.hedge_after);
    joined.caps_retries |= d.caps_retries;
  }
  joined.max_hedges = hedges == kUnlimited ? 0 : hedges;
  return joined;
}

// Builds the answer, a part after the other.
class Explainer {
 public:
  Explainer(const PolicySet& set, const CallFacts& calls) : calls_(calls) {
    for (const auto& member : set.all()) {
      all_.push_back({member.policy, {}});
      member.policy->Describe(all_.back().description);
    }
    joined_ = Join(all_);
    if (calls.timeout && joined_.attempt_share < 1) {
      joined_.attempt_timeout =
          std::min(joined_.attempt_timeout, *calls.timeout * joined_.attempt_share);
    }
    retries_ = set.retries();
    hedges_ = joined_.max_hedges > 0 && calls.idempotent.value_or(true);
  }

  Explanation Explain() {
    Bound();
    WarnOfTimes();
    WarnOfRetries();
    WarnOfHedges();
    for (const auto& [policy, d] : all_) {
      said_.warnings.insert(said_.warnings.end(), d.warnings.begin(), d.warnings.end());
    }
    Tell();
    return std::move(said_);
  }

 private:
  void Warn(std::string sentence) { said_.warnings.push_back(std::move(sentence)); }

  // The worst case.
  void Bound() {
    int attempts = retries_ ? joined_.max_attempts : 1;
    if (!retries_ && hedges_) attempts = std::min(joined_.max_attempts, 1 + joined_.max_hedges);
    said_.max_attempts = attempts;
    const bool bounded =
        attempts != kUnlimited && joined_.attempt_timeout != absl::InfiniteDuration();
    if (bounded) {
      said_.max_time = attempts * (joined_.attempt_timeout + joined_.queueing);
      if (retries_) said_.max_time += joined_.hinted_pauses;
    }
    if (calls_.timeout) said_.max_time = std::min(said_.max_time, *calls_.timeout);
  }

  void WarnOfTimes() {
    if (!calls_.timeout) return;
    const absl::Duration timeout = *calls_.timeout;
    const absl::Duration attempt = joined_.attempt_timeout;
    const bool unbounded = attempt == absl::InfiniteDuration() && !joined_.bounds_attempts;
    const bool retries = retries_ && said_.max_attempts > 1;
    if (attempt >= timeout && attempt != absl::InfiniteDuration()) {
      if (!retries) return;
      Warn(absl::StrCat(ToAbsl(joined_.shortest), " gives an attempt ",
                        absl::FormatDuration(attempt), ", and the whole call has ",
                        absl::FormatDuration(timeout),
                        ": an attempt that hangs leaves no time for another."));
    } else if (unbounded && timeout == absl::InfiniteDuration()) {
      Warn("Neither the call nor an attempt has a time limit: one that hangs, hangs for good.");
    } else if (unbounded && retries) {
      Warn(absl::StrCat("No AttemptTimeout: an attempt that hangs uses up the call's ",
                        absl::FormatDuration(timeout), ", and no retry follows."));
    } else if (retries && joined_.pauses >= timeout && joined_.pauses != absl::InfiniteDuration()) {
      Warn(absl::StrCat(
          "The pauses between ", Count(static_cast<uint64_t>(said_.max_attempts), "attempt"),
          " come to up to ", absl::FormatDuration(joined_.pauses), ", and the call has ",
          absl::FormatDuration(timeout), ": the last of them may never start."));
    }
  }

  void WarnOfRetries() {
    if (retries_ && said_.max_attempts <= 1) {
      Warn(absl::StrCat("No retry can ever start: ", ToAbsl(joined_.fewest),
                        " allows one attempt."));
    } else if (retries_ && said_.max_attempts == kUnlimited && !calls_.timeout) {
      Warn("Nothing bounds the number of attempts but the call's timeout: give every call one.");
    }
    if (!retries_ && joined_.max_hedges == 0 && joined_.caps_retries) {
      Warn("There is a budget for retries, but no policy retries or hedges.");
    }
  }

  void WarnOfHedges() {
    if (joined_.max_hedges == 0) return;
    if (calls_.idempotent == false) {
      Warn("Hedge does nothing: the calls aren't idempotent.");
      return;
    }
    if (joined_.max_attempts <= 1) {
      Warn(absl::StrCat("No hedge can ever start: ", ToAbsl(joined_.fewest),
                        " allows one attempt, and hedges are counted."));
    }
    const absl::Duration limit =
        std::min(joined_.attempt_timeout, calls_.timeout.value_or(absl::InfiniteDuration()));
    if (joined_.hedge_after >= limit && limit != absl::InfiniteDuration()) {
      Warn(absl::StrCat("Hedges would start after ", absl::FormatDuration(joined_.hedge_after),
                        ", but an attempt has ended by then: it has ", absl::FormatDuration(limit),
                        "."));
    }
  }

  std::string Attempts() const {
    if (said_.max_attempts == kUnlimited) return "any number, until its time is up";
    std::string text = Count(static_cast<uint64_t>(said_.max_attempts), "attempt");
    if (joined_.attempt_timeout != absl::InfiniteDuration()) {
      absl::StrAppend(&text, " of at most ",
                      absl::FormatDuration(std::min(joined_.attempt_timeout, said_.max_time)),
                      " each");
    }
    return absl::StrCat("at most ", text);
  }

  std::string Time() const {
    if (said_.max_time == absl::InfiniteDuration()) {
      return calls_.timeout ? "no limit" : "no limit but the call's timeout";
    }
    std::string text = absl::StrCat("at most ", absl::FormatDuration(said_.max_time));
    if (calls_.timeout && said_.max_time == *calls_.timeout) {
      absl::StrAppend(&text, ", its timeout");
    } else if (retries_ && joined_.hinted_pauses > absl::ZeroDuration()) {
      absl::StrAppend(&text, ", of which ", absl::FormatDuration(joined_.pauses), " are pauses");
      if (joined_.hinted_pauses > joined_.pauses) {
        absl::StrAppend(&text, " (", absl::FormatDuration(joined_.hinted_pauses),
                        " if the peer asks for it)");
      }
    }
    return text;
  }

  std::string Repeats() const {
    if (!retries_ && !hedges_) return "nothing: no policy retries";
    if (calls_.idempotent == true) return "as below; the calls are idempotent";
    const std::string unsafe =
        "only what provably wasn't sent, or what the peer says it didn't act on";
    return calls_.idempotent == false
               ? absl::StrCat(unsafe, ": the calls aren't idempotent")
               : absl::StrCat("of calls that aren't declared idempotent ", unsafe);
  }

  void Tell() {
    std::string& text = said_.text;
    absl::StrAppend(&text, "A call may take:   ", Attempts(), "\n");
    absl::StrAppend(&text, "                   ", Time(), "\n");
    absl::StrAppend(&text, "It repeats:        ", Repeats(), "\n");
    if (all_.empty()) absl::StrAppend(&text, "No policies: one attempt, no objections.\n");
    for (const auto& [policy, d] : all_) {
      absl::StrAppend(&text, Which(*policy), "\n");
      for (const std::string& clause : d.does) absl::StrAppend(&text, "  ", clause, "\n");
      if (!d.shares.empty()) {
        absl::StrAppend(&text, "  shared by all who hold it: ", d.shares, "\n");
      }
    }
    for (const std::string& warning : said_.warnings) {
      absl::StrAppend(&text, "Warning: ", warning, "\n");
    }
  }

  const CallFacts& calls_;
  std::vector<Described> all_;
  Joined joined_;
  bool retries_ = false;
  bool hedges_ = false;
  Explanation said_;
};

}  // namespace

Explanation PolicySet::Explain(const CallFacts& calls) const {
  return Explainer(*this, calls).Explain();
}

}  // namespace redial
