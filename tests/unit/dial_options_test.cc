#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/dial.h"
#include "redial/network.h"

namespace redial {
namespace {

absl::Status Invalid(const char* message) { return absl::InvalidArgumentError(message); }

TEST(DialOptions, TheDefaultsAreValid) {
  EXPECT_EQ(DialOptions().Validate(), absl::OkStatus());
  EXPECT_EQ(ResolverOptions().Validate(), absl::OkStatus());
}

TEST(DialOptions, AttemptDelay) {
  const auto validate = [](absl::Duration delay) {
    return DialOptions{.attempt_delay = delay}.Validate();
  };
  EXPECT_EQ(validate(absl::Milliseconds(10)), absl::OkStatus());
  EXPECT_EQ(validate(absl::Seconds(2)), absl::OkStatus());
  EXPECT_EQ(validate(absl::Milliseconds(9)),
            Invalid("DialOptions.attempt_delay is 9ms; it must be from 10ms to 2s"));
  EXPECT_EQ(validate(absl::InfiniteDuration()),
            Invalid("DialOptions.attempt_delay is inf; it must be from 10ms to 2s"));
}

TEST(DialOptions, ResolutionDelay) {
  const auto validate = [](absl::Duration delay) {
    return DialOptions{.resolution_delay = delay}.Validate();
  };
  EXPECT_EQ(validate(absl::ZeroDuration()), absl::OkStatus());
  EXPECT_EQ(validate(absl::Milliseconds(-1)),
            Invalid("DialOptions.resolution_delay is -1ms; it must be from 0 to 2s"));
  EXPECT_EQ(validate(absl::Seconds(3)),
            Invalid("DialOptions.resolution_delay is 3s; it must be from 0 to 2s"));
}

TEST(DialOptions, ChecksWhatItHolds) {
  EXPECT_EQ((DialOptions{.resolver = {.tries = 0}}.Validate()),
            Invalid("ResolverOptions.tries is 0; it must be from 1 to 100"));
  EXPECT_FALSE((DialOptions{.socket = {.keepalive_probes = 0}}.Validate().ok()));
}

TEST(ResolverOptions, Servers) {
  const auto validate = [](const char* server) {
    return ResolverOptions{.servers = {"127.0.0.1:53", server}}.Validate();
  };
  EXPECT_EQ(validate("[::1]:5300"), absl::OkStatus());
  for (const char* wrong : {"127.0.0.1", "dns:53", "", "/run/dns", "127.0.0.1:0", "1.2.3.4:53,"}) {
    EXPECT_EQ(validate(wrong),
              absl::InvalidArgumentError(
                  std::string("ResolverOptions.servers[1] is \"") + wrong +
                  "\"; it must be an IP address with a port, such as \"127.0.0.1:53\" or "
                  "\"[::1]:53\""));
  }
}

TEST(ResolverOptions, ServerTimeout) {
  const auto validate = [](absl::Duration timeout) {
    return ResolverOptions{.server_timeout = timeout}.Validate();
  };
  EXPECT_EQ(validate(absl::Hours(1)), absl::OkStatus());
  EXPECT_EQ(validate(absl::ZeroDuration()),
            Invalid("ResolverOptions.server_timeout is 0; it must be from 1ms to 1h"));
  EXPECT_EQ(validate(absl::InfiniteDuration()),
            Invalid("ResolverOptions.server_timeout is inf; it must be from 1ms to 1h"));
}

TEST(ResolverOptions, Tries) {
  EXPECT_EQ((ResolverOptions{.tries = 101}.Validate()),
            Invalid("ResolverOptions.tries is 101; it must be from 1 to 100"));
}

}  // namespace
}  // namespace redial
