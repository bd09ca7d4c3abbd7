#include "tests/live/redis_client_bodies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "redial/redial.h"

namespace redial::testing {
namespace {

using ::testing::HasSubstr;

std::string Key(size_t visit) { return absl::StrCat("visit:", visit); }

Told Count(const RedisClient& redis, size_t visit) {
  const absl::StatusOr<int64_t> number = redis.Increment(Key(visit));
  if (number.ok()) {
    EXPECT_EQ(*number, 1) << Key(visit) << " was counted before";
    return Told::kCounted;
  }
  const std::optional<Failure> failure = FailureOf(number.status());
  EXPECT_TRUE(failure.has_value()) << number.status();
  const bool acted = !failure || failure->sent == Sent::kMaybe || failure->sent == Sent::kAnswered;
  return acted ? Told::kPerhaps : Told::kNotCounted;
}

}  // namespace

void DoFourCommands(const RedisClient& redis) {
  EXPECT_TRUE(redis.Ping().ok());
  EXPECT_EQ(*redis.Get("name"), std::nullopt);
  EXPECT_TRUE(redis.Set("name", "red\r\nial").ok());
  EXPECT_EQ(*redis.Get("name"), "red\r\nial");
  EXPECT_TRUE(redis.Set("name", "").ok());
  EXPECT_EQ(*redis.Get("name"), "");
  EXPECT_EQ(*redis.Increment("visits"), 1);
  EXPECT_EQ(*redis.Increment("visits"), 2);
  EXPECT_TRUE(redis.Set("name", "redial").ok());
  const absl::Status refused = redis.Increment("name").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("ERR value is not an integer or out of range"));
}

std::vector<Told> CountVisits(const RedisClient& redis, int callers, int visits) {
  std::vector<Told> told(static_cast<size_t>(callers) * static_cast<size_t>(visits),
                         Told::kNotCounted);
  std::vector<Task> tasks;
  for (int caller = 0; caller < callers; ++caller) {
    auto task = Runtime::Current().Spawn([&, first = caller * visits] {
      for (int i = 0; i < visits; ++i) {
        const auto visit = static_cast<size_t>(first + i);
        told[visit] = Count(redis, visit);
      }
    });
    EXPECT_TRUE(task.ok()) << task.status();
    if (task.ok()) tasks.push_back(*std::move(task));
  }
  tasks.clear();  // joins them
  return told;
}

int CheckVisits(const RedisClient& redis, const std::vector<Told>& told) {
  int counted = 0;
  for (size_t visit = 0; visit < told.size(); ++visit) {
    const absl::StatusOr<std::optional<std::string>> value = redis.Get(Key(visit));
    if (!value.ok()) {
      ADD_FAILURE() << Key(visit) << ": " << Story(value.status());
      continue;
    }
    const std::string number = value->value_or("0");
    EXPECT_TRUE(number == "0" || number == "1") << Key(visit) << " was counted " << number;
    if (told[visit] != Told::kPerhaps) {
      EXPECT_EQ(number, told[visit] == Told::kCounted ? "1" : "0") << Key(visit);
    }
    counted += number != "0";
  }
  return counted;
}

}  // namespace redial::testing
