// A Redis client as a service would write it: four commands, one set of policies, plain blocking
// code that names no runtime and no network. It runs as it stands on threads, on fibers and in a
// simulation; tests/live runs it on all three.
//
//   auto redis = RedisClient::Create("tcp://127.0.0.1:6379");
//   if (!redis.ok()) return redis.status();
//   absl::StatusOr<int64_t> visits = redis->Increment("visits");
#ifndef REDIAL_EXAMPLES_REDIS_CLIENT_H_
#define REDIAL_EXAMPLES_REDIS_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "redial/redial.h"

class RedisClient {
 public:
  static absl::StatusOr<RedisClient> Create(std::string_view target) {
    auto client = redial::Client::Create(
        target, {redial::Retry({.max_attempts = 5,
                                .backoff = redial::Exponential({.base = absl::Milliseconds(50)})}),
                 redial::AttemptTimeout(absl::Seconds(1))});
    if (!client.ok()) return client.status();
    return RedisClient(*std::move(client));
  }

  absl::Status Ping() const { return Run("PING", kRepeatable, {"PING"}).status(); }
  absl::Status Set(std::string_view key, std::string_view value) const {
    return Run("SET", kRepeatable, {"SET", key, value}).status();
  }
  // No value where there is no such key.
  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const {
    return Run("GET", kRepeatable, {"GET", key});
  }
  // Counting twice is wrong, so this is never repeated once it may have been executed.
  absl::StatusOr<int64_t> Increment(std::string_view key) const {
    auto reply = Run("INCR", kOnce, {"INCR", key});
    if (!reply.ok()) return reply.status();
    int64_t number = 0;
    if (*reply && absl::SimpleAtoi(**reply, &number)) return number;
    return absl::InternalError("INCR was answered with something that isn't a number");
  }

 private:
  using Reply = std::optional<std::string>;
  static constexpr int64_t kLargestValue = 512 << 20;  // Redis's own limit
  enum Repeat { kOnce, kRepeatable };

  explicit RedisClient(redial::Client client) : client_(std::move(client)) {}

  absl::StatusOr<Reply> Run(std::string_view name, Repeat repeat,
                            std::initializer_list<std::string_view> words) const {
    // https://redis.io/docs/latest/develop/reference/protocol-spec: an array of bulk strings.
    std::string request = absl::StrCat("*", words.size(), "\r\n");
    for (const std::string_view word : words) {
      absl::StrAppend(&request, "$", word.size(), "\r\n");
      request.append(word).append("\r\n");
    }
    return client_.Call(
        {.operation = name, .timeout = absl::Seconds(10), .idempotent = repeat == kRepeatable},
        [&](redial::Socket& socket) -> absl::StatusOr<Reply> {
          if (auto sent = socket.Write(request); !sent.ok()) return sent;
          return ReadReply(socket);
        });
  }

  static absl::StatusOr<Reply> ReadReply(redial::Socket& socket) {
    auto line = socket.ReadUntil("\r\n");
    if (!line.ok()) return line.status();
    const char type = line->front();
    std::string text = line->substr(1, line->size() - 3);
    if (type == '+' || type == ':') return Reply(std::move(text));
    if (type == '-') return Refusal(text);
    int64_t size = 0;
    if (type != '$' || !absl::SimpleAtoi(text, &size) || size < -1 || size > kLargestValue) {
      return absl::InternalError(absl::StrCat("not a Redis reply: ", *line));
    }
    if (size == -1) return Reply();
    auto value = socket.ReadExactly(static_cast<size_t>(size) + 2);
    if (!value.ok()) return value.status();
    value->resize(static_cast<size_t>(size));
    return Reply(*std::move(value));
  }

  static absl::Status Refusal(const std::string& text) {
    // So it speaks while it reads its file, and when it is full: it did not act, try again.
    for (const std::string_view busy : {"LOADING ", "ERR max number of clients reached"}) {
      if (text.rfind(busy, 0) == 0) return redial::Rejected(absl::UnavailableError(text));
    }
    return absl::InternalError(text);
  }

  redial::Client client_;
};

#endif  // REDIAL_EXAMPLES_REDIS_CLIENT_H_
