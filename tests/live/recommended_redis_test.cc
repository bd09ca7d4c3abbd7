// The program of examples/recommended_redis.cc, as it stands, while its Redis goes and comes back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "redial/redial.h"
#include "tests/live/servers.h"
#include "tools/child_process.h"

#if defined(REDIAL_EXAMPLE_PROGRAMS)
namespace redial {
namespace {

using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RedisServer;

const char* const kProgram = REDIAL_BIN_DIR "/example_recommended_redis";

// The program, and what it has printed so far. Stopped by its process id when it goes.
class Watcher {
 public:
  explicit Watcher(const std::string& target) {
    auto started = tools::ChildProcess::Start({kProgram, target}, directory_.path() + "/out");
    EXPECT_TRUE(started.ok()) << started.status();
    if (started.ok()) process_.emplace(*std::move(started));
  }

  std::string Printed() const {
    std::ifstream file(directory_.path() + "/out");
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  // Waits until it has printed `words`; what it printed before them since the latest such wait, and
  // the rest of their line.
  std::string ReadTo(const std::string& words) {
    Runtime& runtime = Runtime::Current();
    do {
      const std::string text = Printed();
      const size_t found = text.find(words, read_);
      const size_t end = found == std::string::npos ? found : text.find('\n', found);
      if (end != std::string::npos) {
        const std::string part = text.substr(read_, end + 1 - read_);
        read_ = end + 1;
        return part;
      }
      (void)runtime.SleepUntil(Deadline::After(runtime.Now(), absl::Milliseconds(20)), {});
    } while (!guard_.expired(runtime.Now()) && process_ && !process_->Exited());
    ADD_FAILURE() << "it never said \"" << words << "\", but:\n" << Printed();
    return {};
  }
  void Stop() {
    if (process_) process_->Stop();
  }

 private:
  tools::PrivateDirectory directory_;
  std::optional<tools::ChildProcess> process_;
  size_t read_ = 0;
  const Deadline guard_ =
      Deadline::After(Runtime::Current().Now(), absl::Seconds(90));  // for hangs
};

TEST(RecommendedRedis, TellsAnOutageFromItsFirstRefusalToItsEnd) {
  REDIAL_NEEDS_PROGRAM("redis-server");
  RedisServer redis({.tcp = true});
  const std::string address = redis.target().substr(std::string("tcp://").size());
  Watcher watcher(redis.target());

  const std::string plan = watcher.ReadTo("FINE: Redis answers");
  EXPECT_THAT(plan, HasSubstr("at most 3 attempts of at most 1s each"));
  EXPECT_THAT(plan, HasSubstr("at most 2s, its timeout"));
  EXPECT_THAT(plan, Not(HasSubstr("Warning")));

  redis.Stop();
  // The first attempt may have been cut off, while Redis was closing; those after it are refused.
  const std::string first = watcher.ReadTo("; not retried: ");
  EXPECT_THAT(first,
              HasSubstr(absl::StrCat("FAILING: PING ", address, " failed after 3 attempts in ")));
  EXPECT_THAT(first, ContainsRegex(absl::StrCat("; #[23] ", address,
                                                " connection refused \\(ECONNREFUSED\\) after ")));
  EXPECT_THAT(first, HasSubstr("attempts exhausted"));

  const std::string until_open = watcher.ReadTo("not retried: circuit breaker open");
  EXPECT_THAT(first + until_open, HasSubstr("not retried: retry budget empty"));
  EXPECT_THAT(until_open, HasSubstr("CHANGED: CircuitBreaker redis is open for "));
  EXPECT_THAT(until_open,
              ContainsRegex(absl::StrCat("FAILING: PING ", address, " failed in [^:]*: ", address,
                                         " connection refused \\(ECONNREFUSED\\)")));
  EXPECT_THAT(until_open,
              ContainsRegex("not retried: circuit breaker open \\(also: retry budget empty\\), "
                            "next try in [0-9.]+ m?s\n"));
  EXPECT_THAT(watcher.ReadTo("REFUSED: "),
              ContainsRegex(absl::StrCat("PING ", address,
                                         " was not attempted: circuit breaker open, "
                                         "next try in [0-9.]+ m?s\n")));

  redis.Start();
  const std::string back = watcher.ReadTo("FINE AGAIN: ");
  EXPECT_THAT(back, HasSubstr("CHANGED: CircuitBreaker redis is half_open, was open\n"));
  EXPECT_THAT(back, HasSubstr("CHANGED: CircuitBreaker redis is closed, was half_open\n"));
  EXPECT_THAT(back, ContainsRegex("after [0-9.]+ s, in which [0-9]+ calls failed\n"));
  watcher.Stop();
  EXPECT_THAT(watcher.Printed(), EndsWith("ENDED, while Redis answered\n"));
}

TEST(RecommendedRedis, EndsByItselfAndRefusesWhatItDoesNotUnderstand) {
  REDIAL_NEEDS_PROGRAM("redis-server");
  RedisServer redis;
  const auto well = testing::RunProgram({kProgram, redis.target(), "1"});
  EXPECT_EQ(well.exit_code, 0) << well.err;
  EXPECT_THAT(well.out, HasSubstr("FINE: Redis answers\n"));
  redis.Stop();
  const auto down = testing::RunProgram({kProgram, "tcp://127.0.0.1:1", "1"});
  EXPECT_EQ(down.exit_code, 1);
  EXPECT_THAT(down.out, HasSubstr("connection refused (ECONNREFUSED)"));
  EXPECT_THAT(down.out, EndsWith("ENDED, while Redis failed\n"));
  EXPECT_EQ(testing::RunProgram({kProgram, redis.target(), "soon"}).exit_code, 2);
  EXPECT_EQ(testing::RunProgram({kProgram, "redis:6379"}).exit_code, 2);
}

}  // namespace
}  // namespace redial
#endif
