// What Asio and Boost do in place of throwing, in a build without exceptions. Included before
// everything else in each source that uses them.
#ifndef REDIAL_TESTS_ASIO_WITHOUT_EXCEPTIONS_H_
#define REDIAL_TESTS_ASIO_WITHOUT_EXCEPTIONS_H_

#include <asio/detail/throw_exception.hpp>
#include <boost/throw_exception.hpp>
#include <cstdlib>
#include <exception>

template <class Exception>
void asio::detail::throw_exception(const Exception&) {
  std::abort();
}

inline void boost::throw_exception(const std::exception&) { std::abort(); }
inline void boost::throw_exception(const std::exception&, const boost::source_location&) {
  std::abort();
}

#endif  // REDIAL_TESTS_ASIO_WITHOUT_EXCEPTIONS_H_
