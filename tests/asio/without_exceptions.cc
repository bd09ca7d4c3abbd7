// What a program without exceptions has to say for itself: what Boost does in place of throwing.
// Asio's counterpart is a template, and stands in the tests that need it.
#include <boost/config.hpp>

#if defined(BOOST_NO_EXCEPTIONS)
#include <boost/throw_exception.hpp>
#include <cstdlib>

namespace boost {
void throw_exception(const std::exception&) { std::abort(); }
void throw_exception(const std::exception&, const boost::source_location&) { std::abort(); }
}  // namespace boost
#endif
