#include "tests/support/law_script.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "src/core/strings.h"
#include "tests/support/law_call.h"

namespace redial::testing {
namespace {

constexpr size_t kMostCalls = 4;
constexpr int kMostEvents = 30;

class Script {
 public:
  explicit Script(Choices& choices) : choices_(choices) {
    AddRandomPolicies(choices_, 1 + static_cast<int>(choices_.Below(6)), kit_);
    kit_.Add<LawConcluder>();
    PolicyList list = kit_.list();
    all_ = *PolicySet::Create(list);
    // Some calls know fewer of the policies than others.
    const uint32_t kept = choices_.Below(64);
    for (size_t i = list.size(); i-- > 0;) {
      if ((kept >> i & 1) == 0) list.erase(list.begin() + static_cast<ptrdiff_t>(i));
    }
    some_ = *PolicySet::Create(std::move(list));
  }

  std::string Play() {
    const int events = 4 + static_cast<int>(choices_.Below(kMostEvents - 3));
    for (int i = 0; i < events && problem_.empty(); ++i) Event();
    for (auto& call : calls_) {
      if (problem_.empty()) End(*call);
    }
    if (problem_.empty()) problem_ = kit_.Audit(/*idle=*/true);
    return problem_.empty() ? "" : absl::StrCat(problem_, "\n", Describe());
  }

 private:
  void Event() {
    constexpr int64_t kSteps[] = {0, 0, kMilli, 2 * kMilli, 5 * kMilli, 30 * kMilli};
    now_ = Plus(now_, kSteps[choices_.Below(6)]);
    if (calls_.empty() || (calls_.size() < kMostCalls && choices_.OneIn(4))) {
      NewCall();
      return;
    }
    LawCall& call = *calls_[choices_.Below(static_cast<uint32_t>(calls_.size()))];
    if (call.dropped()) return;
    switch (choices_.Below(13)) {
      case 0:
      case 1:
        call.Tick(now_);
        break;
      case 2:
      case 3:
        call.Wake(now_);
        break;
      case 4:
        if (choices_.OneIn(3)) call.Cancel(now_);
        break;
      case 5:
        Answer(call);
        break;
      case 6:
        AcknowledgeUnknown(call);
        break;
      case 7:
        if (choices_.OneIn(4)) {
          call.Drop();
          break;
        }
        [[fallthrough]];
      default:
        Acknowledge(call);
        break;
      case 12:
        Reconfigure();
    }
    Audit(call);
  }

  void NewCall() {
    constexpr int64_t kBudgets[] = {0, kMilli, 20 * kMilli, 60 * kMilli};
    CallMachine::Config config;
    if (!choices_.OneIn(3))
      config.deadline = Deadline::AfterNanos(now_, kBudgets[choices_.Below(4)]);
    config.idempotent = choices_.OneIn(2);
    config.seed = choices_.Below(1000);
    calls_.push_back(std::make_unique<LawCall>(choices_.OneIn(3) ? some_ : all_, config));
    if (choices_.OneIn(20)) {
      calls_.back()->Cancel(now_);
    } else {
      calls_.back()->Begin(now_, choices_.OneIn(2));
    }
    Audit(*calls_.back());
  }

  void Answer(LawCall& call) {
    const int id = choices_.OneIn(4) ? static_cast<int>(choices_.Below(4)) : call.question();
    call.Answered(now_, id, choices_.OneIn(3) ? redial::Answer::kGiveUp : redial::Answer::kRetry);
  }

  void AcknowledgeUnknown(LawCall& call) {
    const int id = static_cast<int>(choices_.Below(5));
    call.AttemptDone(now_, id, RandomOutcome(choices_));
  }

  void Acknowledge(LawCall& call) {
    if (call.live().empty()) {
      call.Tick(now_);
      return;
    }
    const auto at = choices_.Below(static_cast<uint32_t>(call.live().size()));
    call.AttemptDone(now_, call.live()[at].id, RandomOutcome(choices_));
  }

  void Reconfigure() {
    const auto at = choices_.Below(static_cast<uint32_t>(kit_.policies().size()));
    kit_.policies()[at]->Reconfigure();
  }

  void End(LawCall& call) {
    if (call.dropped()) return;
    if (choices_.OneIn(2)) {
      call.Cancel(now_);
      while (!call.live().empty()) {
        call.AttemptDone(now_, call.live().back().id, RandomOutcome(choices_));
      }
      if (!call.done() && call.problem().empty()) problem_ = "a call that was cancelled isn't done";
      Audit(call);
    }
    call.Drop();
  }

  void Audit(const LawCall& call) {
    if (problem_.empty()) problem_ = call.problem();
    if (problem_.empty()) problem_ = kit_.Audit(/*idle=*/false);
  }

  std::string Describe() const {
    std::string text = "policies:";
    for (const LawPolicy* policy : kit_.policies()) {
      absl::StrAppend(&text, " ", internal::ToAbsl(policy->name()), "(", policy->config(), ")");
    }
    for (const auto& call : calls_) absl::StrAppend(&text, "\ncall:", call->words);
    return text;
  }

  Choices& choices_;
  LawKit kit_;
  PolicySet all_;
  PolicySet some_;
  std::vector<std::unique_ptr<LawCall>> calls_;
  Instant now_ = Plus(Instant::VirtualOrigin(), 1000 * kMilli);
  std::string problem_;
};

}  // namespace

Outcome RandomOutcome(Choices& choices) {
  Outcome outcome;
  outcome.error = static_cast<int>(choices.Below(3));
  if (choices.Below(5) < 2) {
    outcome.sent = Sent::kAnswered;
    return outcome;
  }
  constexpr absl::StatusCode kCodes[] = {
      absl::StatusCode::kUnavailable, absl::StatusCode::kUnavailable,
      absl::StatusCode::kResourceExhausted, absl::StatusCode::kDeadlineExceeded,
      absl::StatusCode::kNotFound};
  outcome.code = kCodes[choices.Below(5)];
  outcome.has_retry_after = choices.OneIn(8);
  outcome.retry_after_nanos = outcome.has_retry_after ? 3 * kMilli : 0;
  outcome.sent = choices.OneIn(2) ? Sent::kNo : static_cast<Sent>(choices.Below(4));
  outcome.aborted = choices.OneIn(16);
  return outcome;
}

std::string PlayScript(Choices& choices) { return Script(choices).Play(); }

}  // namespace redial::testing
