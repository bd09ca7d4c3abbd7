// What a set of policies will do with a call, in plain words: what `PolicySet::Explain` answers.
//
//   auto set = redial::PolicySet::Create({redial::Retry(), redial::AttemptTimeout(absl::Seconds(5))});
//   redial::Explanation said = set->Explain({.timeout = absl::Seconds(2), .idempotent = true});
//   std::cout << said.text;
//   for (const std::string& warning : said.warnings) std::cerr << warning << '\n';
//
// Values; not shared between threads.
#ifndef REDIAL_EXPLANATION_H_
#define REDIAL_EXPLANATION_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace redial {

// What is known of the calls, of `CallOptions`; what isn't set is unknown, and nothing is warned of
// that would depend on it.
struct CallFacts {
  std::optional<absl::Duration> timeout = std::nullopt;
  std::optional<bool> idempotent = std::nullopt;
};

struct Explanation {
  // At most, of one call, hedges included; std::numeric_limits<int>::max() where nothing bounds them.
  int max_attempts = 1;
  // At most, pauses, queues and the call's timeout included; infinite where nothing bounds it.
  // An operation that doesn't heed its deadline may take longer.
  absl::Duration max_time = absl::InfiniteDuration();
  // Settings that contradict each other, a sentence each.
  std::vector<std::string> warnings;
  // All of it for a person, several lines.
  std::string text;
};

}  // namespace redial

#endif  // REDIAL_EXPLANATION_H_
