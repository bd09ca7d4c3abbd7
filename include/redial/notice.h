// A change in a policy's own state, told to those who look on: a breaker that opens.
//
//   class Fuse final : public redial::Policy {
//     void Settle(redial::Token, const redial::Outcome& outcome) override {
//       if (!outcome.ok() && !blown_.exchange(true)) {
//         outcome.Tell({.policy = name(), .label = {}, .from = "whole", .to = "blown"});
//       }
//     }
//     std::atomic<bool> blown_ = false;
//   };
//
// It is told by the call that brought the change about, to the observers of that call, as an event of
// its own (`CallEvent::Type::kPolicyChanged`), after every lock is gone. Values; not shared between
// threads.
#ifndef REDIAL_NOTICE_H_
#define REDIAL_NOTICE_H_

#include <array>
#include <cstddef>
#include <string_view>

#include "absl/types/span.h"
#include "redial/time.h"

namespace redial {

// The views are of static storage, or of the policy's own.
struct Notice {
  std::string_view policy;
  std::string_view label;  // which one, where several have the same name
  std::string_view from;
  std::string_view to;
  Deadline until = {};  // when it will go on by itself; never where that isn't known
};

// Those of one event of one call.
class Notices {
 public:
  static constexpr size_t kMost = 8;  // what comes after is dropped

  void Add(const Notice& notice) {
    if (size_ < kMost) notices_[size_++] = notice;
  }
  bool empty() const { return size_ == 0; }
  absl::Span<const Notice> all() const { return absl::MakeConstSpan(notices_).first(size_); }
  void Clear() { size_ = 0; }

 private:
  size_t size_ = 0;
  std::array<Notice, kMost> notices_;
};

}  // namespace redial

#endif  // REDIAL_NOTICE_H_
