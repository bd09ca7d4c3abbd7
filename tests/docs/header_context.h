// What the examples in the public headers take for granted. They are compiled and never linked, so
// declarations are enough.

#ifndef REDIAL_TESTS_DOCS_HEADER_CONTEXT_H_
#define REDIAL_TESTS_DOCS_HEADER_CONTEXT_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <iostream>
#include <mutex>
#include <string>
#include <vector>

#if defined(REDIAL_TEST_ADAPTERS)
#include <asio.hpp>
#endif

#if defined(REDIAL_TEST_PROMETHEUS)
#include <prometheus/exposer.h>
#endif

#include "redial/fiber.h"
#include "redial/redial.h"
#include "redial/testing/fake_network.h"
#include "redial/testing/matchers.h"

namespace header_examples {

using testing::AllOf;
using testing::HasSubstr;

// So that an example may return whatever its function would.
struct Anything {
  Anything() = default;
  template <class T>
  Anything(T&&) {}  // NOLINT(google-explicit-constructor)
};

struct HttpReply {
  int status;
};
struct LegacyClient {
  absl::StatusOr<std::string> Fetch(absl::Duration timeout);
};

extern redial::Runtime& runtime;
extern const redial::Deadline deadline;
extern const redial::Instant now;
extern const std::stop_token stop;
extern const redial::PolicyList policies;
extern const redial::PolicySet policy_set;
extern const std::string target;
extern redial::Client* const client;
extern redial::FiberRuntime* const fibers;
extern redial::Socket socket;
extern redial::Stream& stream;
extern redial::Descriptor& descriptor;
extern redial::Source& socket_readable;
extern LegacyClient legacy_client;
extern int failed_attempts;
extern char buffer[4096];

absl::StatusOr<std::string> Fetch(redial::Deadline deadline);
// Either a program's own operation or a whole call of it.
struct PingFunction {
  absl::StatusOr<std::string> operator()(redial::Socket& socket) const;
  absl::StatusOr<std::string> operator()(const redial::Client& client) const;
};
extern const PingFunction Ping;
absl::StatusOr<std::string> FetchOnce();
redial::PolicyList CachePolicies();
void Work();
void Till(int& paid);
void Buy();

}  // namespace header_examples

#endif  // REDIAL_TESTS_DOCS_HEADER_CONTEXT_H_
