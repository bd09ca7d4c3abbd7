// The example that runs Boost.Beast over redial, against a real nginx and against nobody.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "redial/redial.h"
#include "tests/live/servers.h"

namespace redial {
namespace {

constexpr char kProgram[] = REDIAL_BIN_DIR "/example_beast_get";

TEST(BeastExample, GetsAPageFromNginx) {
  REDIAL_NEEDS_PROGRAM("nginx");
  testing::NginxServer nginx;
  const auto page = testing::RunProgram({kProgram, nginx.target(), "/", "5"});
  EXPECT_EQ(page.exit_code, 0) << page.err;
  EXPECT_EQ(page.out, "200 hello\n");
  EXPECT_EQ(page.err, "");
  const auto busy = testing::RunProgram({kProgram, nginx.target(), "/busy", "5"});
  EXPECT_EQ(busy.exit_code, 0) << busy.err;
  EXPECT_EQ(busy.out, "503 busy\n");
}

TEST(BeastExample, KeepsItsDeadlineWithAServerThatNeverAnswers) {
  const auto silent = Listener::Listen(Address::Ipv4({127, 0, 0, 1}, 0));
  ASSERT_TRUE(silent.ok()) << silent.status();
  const Instant start = Runtime::Current().Now();
  const auto page =
      testing::RunProgram({kProgram, "tcp://" + silent->local().ToString(), "/", "0.3"});
  EXPECT_GE(Runtime::Current().Now() - start, absl::Milliseconds(300));
  EXPECT_EQ(page.exit_code, 1);
  EXPECT_THAT(page.err, ::testing::HasSubstr("GET " + silent->local().ToString() + " failed"));
  EXPECT_THAT(page.err, ::testing::HasSubstr("read timed out after "));
}

}  // namespace
}  // namespace redial
