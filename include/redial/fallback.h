// A fallback: what to return when a call is over and has failed. Either a value, or a function that
// is told why:
//
//   absl::StatusOr<std::string> banner = redial::WithFallback(Ping(*client), "no banner today");
//
//   absl::StatusOr<std::string> page = redial::WithFallback(
//       Fetch(deadline), redial::OnCode(absl::StatusCode::kUnavailable),
//       [](const absl::Status& why) -> absl::StatusOr<std::string> {
//         std::cerr << redial::Story(why) << '\n';
//         return FetchOnce();  // from elsewhere
//       });
//
// It isn't a policy: it comes after the last decision, so it has no part in their algebra, and a
// fallback of a fallback is written as one. Observers (`Report`) have heard the failure by then.
//
// Without a condition, every failure is covered but kCancelled: who stops a call has no use for a
// value. A success is passed on untouched, and neither the condition nor the function is called.
// The function is called at most once, outside everything redial holds, with the status (or with
// nothing, if it takes nothing); an exception of its own passes through. Pure functions of their
// arguments: safe from any thread.
#ifndef REDIAL_FALLBACK_H_
#define REDIAL_FALLBACK_H_

#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "redial/export.h"
#include "redial/policies/predicate.h"

namespace redial {
namespace internal {

// Whether `status`, of a call that is over, is covered where no condition is given, and where one is.
REDIAL_EXPORT bool CoveredByFallback(const absl::Status& status);
REDIAL_EXPORT bool CoveredByFallback(const absl::Status& status, const Predicate& when);
// The failure of a fallback for `original`: its own code, both messages, the original's story.
REDIAL_EXPORT absl::Status FallbackFailed(const absl::Status& original, absl::Status own);

template <class F>
inline constexpr bool kIsFallbackFunction =
    std::is_invocable_v<F&, const absl::Status&> || std::is_invocable_v<F&>;

template <class F>
decltype(auto) CallFallback(F& function, const absl::Status& why) {
  if constexpr (std::is_invocable_v<F&, const absl::Status&>) {
    return function(why);
  } else {
    return function();
  }
}

template <class T, class F>
absl::StatusOr<T> FallBack(const absl::Status& why, F&& otherwise) {
  if constexpr (kIsFallbackFunction<F>) {
    static_assert(std::is_convertible_v<decltype(CallFallback(otherwise, why)), absl::StatusOr<T>>,
                  "a fallback function returns what the call does, or a status");
    absl::StatusOr<T> result = CallFallback(otherwise, why);
    if (!result.ok()) return FallbackFailed(why, std::move(result).status());
    return result;
  } else {
    static_assert(std::is_convertible_v<F&&, T>,
                  "a fallback is a value of the call's type, or a function of the status");
    return absl::StatusOr<T>(T(std::forward<F>(otherwise)));
  }
}

template <class F>
absl::Status FallBackWithoutValue(const absl::Status& why, F&& otherwise) {
  static_assert(kIsFallbackFunction<F>,
                "the fallback of a call without a value is a function of the status");
  absl::Status status = CallFallback(otherwise, why);
  return status.ok() ? status : FallbackFailed(why, std::move(status));
}

}  // namespace internal

// `result`, or `otherwise` where that is a failure: a value, or a function that returns one, an
// `absl::Status` or an `absl::StatusOr<T>`.
//
// If the function fails as well, its code is the result's and both messages are in its message, but
// `FailureOf` and `Story` are those of `result` wherever it has any: they tell why there was need of a
// fallback. To decline, return the status that was given.
template <class T, class F>
absl::StatusOr<T> WithFallback(absl::StatusOr<T> result, F&& otherwise) {
  if (!internal::CoveredByFallback(result.status())) return result;
  return internal::FallBack<T>(result.status(), std::forward<F>(otherwise));
}

// Only for failures that match: the status's code, and of its `Failure` errno and phase. `OnResult`
// has no say here, since a call that returned a value has not failed.
template <class T, class F>
absl::StatusOr<T> WithFallback(absl::StatusOr<T> result, const Predicate& when, F&& otherwise) {
  if (!internal::CoveredByFallback(result.status(), when)) return result;
  return internal::FallBack<T>(result.status(), std::forward<F>(otherwise));
}

// The same for calls that return no value: `otherwise` is a function that returns a status.
template <class F>
absl::Status WithFallback(const absl::Status& result, F&& otherwise) {
  if (!internal::CoveredByFallback(result)) return result;
  return internal::FallBackWithoutValue(result, std::forward<F>(otherwise));
}
template <class F>
absl::Status WithFallback(const absl::Status& result, const Predicate& when, F&& otherwise) {
  if (!internal::CoveredByFallback(result, when)) return result;
  return internal::FallBackWithoutValue(result, std::forward<F>(otherwise));
}

}  // namespace redial

#endif  // REDIAL_FALLBACK_H_
