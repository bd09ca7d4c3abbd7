// What is to go wrong with an attempt: a policy says it, and the call sees to it. For tests and
// staging; `Chaos` is the policy that ships.
//
//   class LosesFirstAnswers final : public redial::Policy {
//    public:
//     LosesFirstAnswers() : Policy({.name = "LosesFirstAnswers", .capabilities = kDisrupts}) {}
//     redial::Fault Disrupt(const redial::View& view) const override {
//       if (view.attempts > 0) return {};
//       return {.kind = redial::Fault::Kind::kReset};
//     }
//   };
//
// The story tells the truth of it: that it was injected, by whom, and what the peer may have seen of
// the attempt. A value: as safe between threads as the names in it.
#ifndef REDIAL_FAULT_H_
#define REDIAL_FAULT_H_

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <utility>

#include "absl/status/status.h"

namespace redial {

struct Fault {
  // How the attempt ends. Ordered: where two policies want different ends, the later one comes.
  enum class Kind : uint8_t {
    kNone,  // as it would
    kReset,  // it runs, and if it succeeds, its answer is lost: kUnavailable, ECONNRESET, Sent::kMaybe
    kError,  // it isn't run: `code` (kUnknown for kOk), Sent::kNo
    kStall,  // it isn't run, and times out at its deadline: kDeadlineExceeded, Sent::kNo
  };

  Kind kind = Kind::kNone;
  absl::StatusCode code = absl::StatusCode::kUnavailable;  // of kError
  // Waited before all that, inside the attempt: its deadline and a stop cut it short.
  int64_t delay_nanos = 0;

  // The names of the policies, for the story. Filled in by the call.
  std::string_view by = {};
  std::string_view delayed_by = {};

  bool none() const { return kind == Kind::kNone && delay_nanos <= 0; }

  // The later end and the longer delay, whichever comes first.
  friend Fault Join(const Fault& a, const Fault& b) {
    const auto end = [](const Fault& f) { return std::tuple(f.kind, f.code, f.by); };
    const auto delay = [](const Fault& f) { return std::pair(f.delay_nanos, f.delayed_by); };
    Fault joined = std::max(a, b, [&](auto& x, auto& y) { return end(x) < end(y); });
    std::tie(joined.delay_nanos, joined.delayed_by) = std::max(delay(a), delay(b));
    return joined;
  }
};

}  // namespace redial

#endif  // REDIAL_FAULT_H_
