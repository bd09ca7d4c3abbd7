#include "redial/policies/predicate.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "redial/failure.h"
#include "src/core/strings.h"

namespace redial {

Predicate::Predicate(std::function<bool(const Outcome&)> matches)
    : Predicate("failures that a function matches", std::move(matches)) {}

Predicate::Predicate(std::string text, std::function<bool(const Outcome&)> matches) {
  if (matches == nullptr) return;
  auto match = [matches = std::move(matches)](const Outcome& outcome) {
    if (outcome.code == absl::StatusCode::kOk) return Match::kNoSay;
    return matches(outcome) ? Match::kYes : Match::kNo;
  };
  *this = Predicate(std::move(match), /*examines=*/false, {.text = std::move(text)});
}

std::string Predicate::ToString() const { return ToStringWithin(Binding::kOr); }

std::string Predicate::ToStringWithin(Binding binding) const {
  if (rep_ == nullptr) return "nothing";
  const Words& words = rep_->words;
  return words.binding > binding ? absl::StrCat("(", words.text, ")") : words.text;
}

Predicate::Match Predicate::Ask(const Outcome& outcome) const {
  return rep_ == nullptr ? Match::kNoSay : rep_->match(outcome);
}

bool Predicate::operator()(const Outcome& outcome) const { return Ask(outcome) == Match::kYes; }

Predicate operator||(Predicate a, Predicate b) {
  const bool examines = a.examines() || b.examines();
  std::string text = a.ToString();
  if (a.rep_ == nullptr) {
    text = b.ToString();
  } else if (b.rep_ != nullptr) {
    absl::StrAppend(&text, " or ", b.ToString());
  }
  return Predicate(
      [a = std::move(a), b = std::move(b)](const Outcome& outcome) {
        const Predicate::Match first = a.Ask(outcome);
        return first == Predicate::Match::kYes ? first : std::max(first, b.Ask(outcome));
      },
      examines, {.text = std::move(text), .binding = Predicate::Binding::kOr});
}

Predicate operator&&(Predicate a, Predicate b) {
  const bool examines = a.examines() && b.examines();
  std::string text = "nothing";
  if (a.rep_ != nullptr && b.rep_ != nullptr) {
    text = absl::StrCat(a.ToStringWithin(Predicate::Binding::kAnd), " and ",
                        b.ToStringWithin(Predicate::Binding::kAnd));
  }
  return Predicate(
      [a = std::move(a), b = std::move(b)](const Outcome& outcome) {
        const Predicate::Match first = a.Ask(outcome);
        return first == Predicate::Match::kNoSay ? first : std::min(first, b.Ask(outcome));
      },
      examines, {.text = std::move(text), .binding = Predicate::Binding::kAnd});
}

Predicate operator!(Predicate a) {
  const bool examines = a.examines();
  std::string text = "nothing";
  if (a.rep_ != nullptr) {
    text = absl::StrCat("not ", a.ToStringWithin(Predicate::Binding::kAtom));
  }
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
      examines, {.text = std::move(text)});
}

Predicate OnCode(absl::StatusCode code) {
  return Predicate(absl::StatusCodeToString(code),
                   [code](const Outcome& outcome) { return outcome.code == code; });
}

Predicate OnErrno(int error) {
  return Predicate(ErrnoName(error),
                   [error](const Outcome& outcome) { return outcome.error == error; });
}

Predicate OnPhase(Phase phase) {
  return Predicate(absl::StrCat("failures in phase ", internal::ToAbsl(PhaseName(phase))),
                   [phase](const Outcome& outcome) { return outcome.phase == phase; });
}

Predicate OnStatus(std::function<bool(const absl::Status&)> matches) {
  if (matches == nullptr) return Predicate();
  return Predicate("a status that a function matches",
                   [matches = std::move(matches)](const Outcome& outcome) {
                     return outcome.status != nullptr && matches(*outcome.status);
                   });
}

Predicate OnAnyFailure() {
  // A value that some policy counts as a failure is one here as well.
  return Predicate(
      [](const Outcome& outcome) {
        return outcome.ok() ? Predicate::Match::kNoSay : Predicate::Match::kYes;
      },
      /*examines=*/false, {.text = "any failure"});
}

}  // namespace redial
