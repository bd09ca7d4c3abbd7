#include "redial/policies/attempt_timeout.h"

#include <algorithm>
#include <cstdint>
#include <memory>

#include "absl/strings/str_cat.h"
#include "policies/config_hash.h"
#include "redial/time.h"

namespace redial {
namespace {

// Proposes the same time for every attempt. Immutable: safe between threads.
class AttemptTimeoutPolicy final : public Policy {
 public:
  explicit AttemptTimeoutPolicy(absl::Duration timeout)
      : Policy({.name = "AttemptTimeout", .capabilities = kProposes, .rank = Rank::kTimeout}),
        timeout_(timeout),
        nanos_(std::max<int64_t>(1, ToNanos(timeout))) {}

  absl::Status Validate() const override {
    if (timeout_ > absl::ZeroDuration() && timeout_ < absl::InfiniteDuration()) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(absl::StrCat("AttemptTimeout.timeout is ",
                                                   absl::FormatDuration(timeout_),
                                                   "; it must be positive and finite"));
  }

  uint64_t Fingerprint() const override {
    return internal::ConfigHash(name()).Add(timeout_).hash();
  }

  Proposal Propose(const View&) const override { return {.attempt_timeout_nanos = nanos_}; }

 private:
  const absl::Duration timeout_;
  const int64_t nanos_;
};

}  // namespace

PolicyPtr AttemptTimeout(absl::Duration timeout) {
  return std::make_shared<AttemptTimeoutPolicy>(timeout);
}

}  // namespace redial
