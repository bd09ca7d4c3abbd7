// Whether AddressSanitizer or ThreadSanitizer slows this build down: large tests do less of the same
// then.
#ifndef REDIAL_TESTS_SUPPORT_SANITIZED_H_
#define REDIAL_TESTS_SUPPORT_SANITIZED_H_

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define REDIAL_TESTS_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define REDIAL_TESTS_SANITIZED
#endif
#endif

namespace redial::testing {

#if defined(REDIAL_TESTS_SANITIZED)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace redial::testing

#endif  // REDIAL_TESTS_SUPPORT_SANITIZED_H_
