#include "redial/policies/predicate.h"

#include <algorithm>
#include <utility>

namespace redial {

Predicate::Predicate(std::function<bool(const Outcome&)> matches) {
  if (matches == nullptr) return;
  auto match = [matches = std::move(matches)](const Outcome& outcome) {
    if (outcome.code == absl::StatusCode::kOk) return Match::kNoSay;
    return matches(outcome) ? Match::kYes : Match::kNo;
  };
  rep_ = std::make_shared<const Rep>(Rep{std::move(match), /*examines=*/false});
}

Predicate::Match Predicate::Ask(const Outcome& outcome) const {
  return rep_ == nullptr ? Match::kNoSay : rep_->match(outcome);
}

bool Predicate::operator()(const Outcome& outcome) const { return Ask(outcome) == Match::kYes; }

Predicate operator||(Predicate a, Predicate b) {
  const bool examines = a.examines() || b.examines();
  return Predicate(
      [a = std::move(a), b = std::move(b)](const Outcome& outcome) {
        const Predicate::Match first = a.Ask(outcome);
        return first == Predicate::Match::kYes ? first : std::max(first, b.Ask(outcome));
      },
      examines);
}

Predicate operator&&(Predicate a, Predicate b) {
  const bool examines = a.examines() && b.examines();
  return Predicate(
      [a = std::move(a), b = std::move(b)](const Outcome& outcome) {
        const Predicate::Match first = a.Ask(outcome);
        return first == Predicate::Match::kNoSay ? first : std::min(first, b.Ask(outcome));
      },
      examines);
}

Predicate operator!(Predicate a) {
  const bool examines = a.examines();
  return Predicate(
      [a = std::move(a)](const Outcome& outcome) {
        switch (a.Ask(outcome)) {
          case Predicate::Match::kNoSay:
            break;
          case Predicate::Match::kNo:
            return Predicate::Match::kYes;
          case Predicate::Match::kYes:
            return Predicate::Match::kNo;
        }
        return Predicate::Match::kNoSay;
      },
      examines);
}

Predicate OnCode(absl::StatusCode code) {
  return Predicate([code](const Outcome& outcome) { return outcome.code == code; });
}

Predicate OnErrno(int error) {
  return Predicate([error](const Outcome& outcome) { return outcome.error == error; });
}

Predicate OnPhase(Phase phase) {
  return Predicate([phase](const Outcome& outcome) { return outcome.phase == phase; });
}

Predicate OnStatus(std::function<bool(const absl::Status&)> matches) {
  if (matches == nullptr) return Predicate();
  return Predicate([matches = std::move(matches)](const Outcome& outcome) {
    return outcome.status != nullptr && matches(*outcome.status);
  });
}

Predicate OnAnyFailure() {
  // A value that some policy counts as a failure is one here as well.
  return Predicate(
      [](const Outcome& outcome) {
        return outcome.ok() ? Predicate::Match::kNoSay : Predicate::Match::kYes;
      },
      /*examines=*/false);
}

}  // namespace redial
