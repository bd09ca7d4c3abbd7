#include "redial/policies/ask_user.h"

#include <memory>
#include <utility>

#include "absl/status/status.h"

namespace redial {
namespace {

// Holds the next attempt up until a person has answered. Immutable: safe between threads as far as
// its function is.
class AskUserPolicy final : public Policy {
 public:
  explicit AskUserPolicy(AskFunction ask)
      : Policy({.name = "AskUser", .capabilities = kJudgesAgain | kRetries | kAsks}),
        ask_(std::move(ask)) {}

  absl::Status Validate() const override {
    if (ask_) return absl::OkStatus();
    return absl::InvalidArgumentError("AskUser.ask is empty; it must be a function");
  }

  Verdict Judge(const View& view) const override {
    // A hedge follows no failure; there is nothing to ask about.
    if (view.kind == AttemptKind::kHedge) return Verdict::Admit();
    switch (view.answer) {
      case Answer::kNone:
        break;
      case Answer::kRetry:
        return Verdict::Admit();
      case Answer::kGiveUp:
        return Verdict::Reject(Reason::kGaveUp);
    }
    return Verdict::Blocked(Reason::kUndecided);
  }

  void Describe(Description& description) const override {
    description.does.emplace_back(
        "asks a person after each failure whether to try again; the deadline goes on meanwhile");
  }

  Answer Ask(const CallEvent& question) const override { return ask_(question); }

 private:
  const AskFunction ask_;
};

}  // namespace

PolicyPtr AskUser(AskFunction ask) { return std::make_shared<AskUserPolicy>(std::move(ask)); }

}  // namespace redial
