// How calls end that don't succeed, told to those that count calls. Out of the way of those that do.
#include <array>
#include <cstddef>
#include <string_view>

#include "src/core/call_machine.h"

namespace redial {

[[gnu::cold, gnu::noinline]] void CallMachine::ConcludeFailed(Conclusion& end) {
  if (end.reason == Reason::kCancelled) {
    end.code = absl::StatusCode::kCancelled;
  } else if (end.outcome != nullptr && end.outcome->failed_result) {
    end.code = absl::StatusCode::kOk;
  } else if (view_.deadline.expired(view_.now)) {
    end.code = absl::StatusCode::kDeadlineExceeded;
  } else {
    end.code = end.outcome != nullptr ? end.outcome->code : absl::StatusCode::kUnavailable;
  }
  std::array<std::string_view, PolicySet::kMaxPolicies> names;
  size_t count = 0;
  for (const auto& member : policies_.all) {
    if ((rejected_ >> member.place & 1) != 0) names[count++] = member.policy->name();
  }
  end.refused_by = absl::MakeConstSpan(names).first(count);
  TellConcluders(end);
}

[[gnu::cold, gnu::noinline]] void CallMachine::ConcludeLeft() {
  Conclusion end;
  end.code = absl::StatusCode::kUnknown;
  end.attempts = view_.attempts;
  end.began = view_.began;
  end.ended = view_.now;
  if (last_) end.outcome = &*last_;
  TellConcluders(end);
}

}  // namespace redial
