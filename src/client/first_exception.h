// Keeps the first of several exceptions that must not travel from where they are thrown: through
// somebody else's code, or past what is still to be done.
//
//   FirstException thrown;
//   for (const auto& observer : observers) thrown.Guard([&] { observer->Observe(event); });
//   thrown.Rethrow();
//
// In a build without exceptions it does nothing. Used by one thread at a time.
#ifndef REDIAL_SRC_CLIENT_FIRST_EXCEPTION_H_
#define REDIAL_SRC_CLIENT_FIRST_EXCEPTION_H_

#include <exception>

namespace redial::internal {

class FirstException {
 public:
  // Runs `fn`, and says whether it returned.
  template <class F>
  bool Guard(F&& fn) noexcept {
    const auto returns = [&] {
      fn();
      return true;
    };
    return Guard(returns, false);
  }

  // The same, for what `fn` returns; `otherwise` where it throws.
  template <class F, class R>
  R Guard(F&& fn, const R& otherwise) noexcept {
#if defined(__cpp_exceptions)
    try {
      return fn();
    } catch (...) {
      if (first_ == nullptr) first_ = std::current_exception();
      return otherwise;
    }
#else
    (void)otherwise;
    return fn();
#endif
  }

  bool any() const { return first_ != nullptr; }
  // If there is one.
  void Rethrow() const {
#if defined(__cpp_exceptions)
    if (first_ != nullptr) [[unlikely]]
      std::rethrow_exception(first_);
#endif
  }

 private:
  std::exception_ptr first_;
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_CLIENT_FIRST_EXCEPTION_H_
