#include "redial/policy.h"

#include <string_view>

#include "src/core/mix.h"

namespace redial {

Policy::~Policy() = default;

std::string_view Policy::label() const { return {}; }
absl::Status Policy::Validate() const { return absl::OkStatus(); }
uint64_t Policy::Fingerprint() const { return internal::HashName(name()); }
const void* Policy::CurrentConfig() const {
  const ConfigWord* const word = config_word();
  return word != nullptr ? word->load(std::memory_order_acquire) : nullptr;
}
const ConfigWord* Policy::config_word() const { return nullptr; }
Verdict Policy::Judge(const View&) const { return Verdict::Admit(); }
Verdict Policy::Reserve(const View&, Token&, Ticket*) { return Verdict::Admit(); }
bool Policy::Take(const View&, Token&) { return false; }
void Policy::Void(Token, Ticket*) {}
void Policy::Settle(Token, const Outcome&) {}
void Policy::Refused(const View&) {}
void Policy::Conclude(const Conclusion&) {}
void Policy::Park(Ticket&) {}
void Policy::Leave(Ticket&) {}
Proposal Policy::Propose(const View&) const { return {}; }
Fault Policy::Disrupt(const View&) const { return {}; }
bool Policy::IsFailure(const Outcome&) const { return false; }
Answer Policy::Ask(const CallEvent&) const { return Answer::kGiveUp; }
void Policy::Observe(const CallEvent&) const {}
void Policy::Describe(Description&) const {}
void Policy::Measure(absl::FunctionRef<void(const Gauge&)>) const {}
absl::Duration Policy::tick_interval() const { return absl::InfiniteDuration(); }

}  // namespace redial
