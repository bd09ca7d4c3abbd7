// What a policy looks for in an attempt's outcome: its code, its errno, its status, or the value
// that it returned.
//
//   redial::Predicate busy = redial::OnCode(absl::StatusCode::kUnavailable) ||
//                            redial::OnResult<HttpReply>(
//                                [](const HttpReply& reply) { return reply.status == 503; });
//
// A predicate speaks either of failed attempts or (`OnResult`) of returned values, and has no say
// in the others. `!`, `&&` and `||` keep to that: `!OnErrno(EPIPE)` is every failure but that one,
// never a value that came back well.
//
// Immutable and cheap to copy; safe between threads as far as the functions in it are.
#ifndef REDIAL_POLICIES_PREDICATE_H_
#define REDIAL_POLICIES_PREDICATE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "redial/export.h"
#include "redial/view.h"

namespace redial {

class REDIAL_EXPORT Predicate {
 public:
  // Matches nothing.
  Predicate() = default;
  // Asked of failed attempts alone.
  explicit Predicate(std::function<bool(const Outcome&)> matches);

  // Whether it matches.
  bool operator()(const Outcome& outcome) const;
  // False for one that was made from nothing.
  explicit operator bool() const { return rep_ != nullptr; }
  // Whether it has a say in returned values: an `OnResult` is in it.
  bool examines() const { return rep_ != nullptr && rep_->examines; }
  // For people: "UNAVAILABLE or ECONNRESET". What a function looks for, nobody can say.
  std::string ToString() const;

  friend REDIAL_EXPORT Predicate operator||(Predicate a, Predicate b);
  friend REDIAL_EXPORT Predicate operator&&(Predicate a, Predicate b);
  friend REDIAL_EXPORT Predicate operator!(Predicate a);
  friend REDIAL_EXPORT Predicate OnCode(absl::StatusCode code);
  friend REDIAL_EXPORT Predicate OnErrno(int error);
  friend REDIAL_EXPORT Predicate OnPhase(Phase phase);
  friend REDIAL_EXPORT Predicate OnStatus(std::function<bool(const absl::Status&)> matches);
  friend REDIAL_EXPORT Predicate OnAnyFailure();

 private:
  template <class T>
  friend Predicate OnResult(std::function<bool(const T&)> matches);

  // Ordered, so that `||` is the maximum and `&&` the minimum.
  enum class Match : uint8_t { kNoSay, kNo, kYes };
  // How tightly its words hold together.
  enum class Binding : uint8_t { kAtom, kAnd, kOr };
  struct Words {
    std::string text;
    Binding binding = Binding::kAtom;
  };
  struct Rep {
    std::function<Match(const Outcome&)> match;
    bool examines;
    Words words;
  };
  Predicate(std::function<Match(const Outcome&)> match, bool examines, Words words)
      : rep_(std::make_shared<const Rep>(Rep{std::move(match), examines, std::move(words)})) {}
  Predicate(std::string text, std::function<bool(const Outcome&)> matches);
  // Within a phrase that holds together as tightly as `binding`.
  std::string ToStringWithin(Binding binding) const;
  Match Ask(const Outcome& outcome) const;

  std::shared_ptr<const Rep> rep_;
};

REDIAL_EXPORT Predicate OnCode(absl::StatusCode code);
REDIAL_EXPORT Predicate OnErrno(int error);
REDIAL_EXPORT Predicate OnPhase(Phase phase);
// Failed attempts whose status matches. Matches nothing if it is empty.
REDIAL_EXPORT Predicate OnStatus(std::function<bool(const absl::Status&)> matches);
// Every attempt that failed.
REDIAL_EXPORT Predicate OnAnyFailure();
// Attempts that returned a `T` that matches; in `Retry` and `FailFast` such a value counts as a
// failure. Matches nothing if it is empty.
template <class T>
Predicate OnResult(std::function<bool(const T&)> matches) {
  if (matches == nullptr) return Predicate();
  return Predicate(
      [matches = std::move(matches)](const Outcome& outcome) {
        const T* value = outcome.result.As<T>();
        if (value == nullptr) return Predicate::Match::kNoSay;
        return matches(*value) ? Predicate::Match::kYes : Predicate::Match::kNo;
      },
      /*examines=*/true, {.text = "a value that a function matches"});
}

}  // namespace redial

#endif  // REDIAL_POLICIES_PREDICATE_H_
