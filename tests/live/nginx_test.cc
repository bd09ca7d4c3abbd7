// A real nginx, and an answer that is a value and yet a failure.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "redial/fiber.h"
#include "redial/redial.h"
#include "tests/live/servers.h"
#include "tests/support/each_runtime.h"

namespace redial {
namespace {

class Nginx : public testing::EachRuntime {};
ON_EACH_RUNTIME(Nginx);

struct Reply {
  int status = 0;
  std::string head;
  std::string body;
};

absl::StatusOr<Reply> Get(Socket& socket, std::string_view path) {
  if (absl::Status sent = socket.Write(
          absl::StrCat("GET ", std::string(path), " HTTP/1.0\r\nHost: localhost\r\n\r\n"));
      !sent.ok()) {
    return sent;
  }
  auto head = socket.ReadUntil("\r\n\r\n");
  if (!head.ok()) return head.status();
  Reply reply{.status = 0, .head = *head, .body = ""};
  if (head->size() < 12 || !absl::SimpleAtoi(head->substr(9, 3), &reply.status)) {
    return absl::InternalError("not an HTTP reply");
  }
  char buffer[512];
  for (;;) {
    const auto n = socket.Read(absl::MakeSpan(buffer));
    if (!n.ok()) return n.status();
    if (*n == 0) return reply;
    reply.body.append(buffer, *n);
  }
}

PolicyPtr RetryOn503() {
  return Retry(
      {.max_attempts = 3,
       .backoff = Constant(absl::Milliseconds(10)),
       .also_retry_on = OnResult<Reply>([](const Reply& reply) { return reply.status == 503; })});
}

TEST_ON_EACH_RUNTIME(Nginx, AnswersAGet) {
  REDIAL_NEEDS_PROGRAM("nginx");
  testing::NginxServer nginx;
  auto client = Client::Create(nginx.target(), {Retry()});
  ASSERT_TRUE(client.ok()) << client.status();
  const auto reply = client->Call({.operation = "GET /", .idempotent = true},
                                  [](Socket& socket) { return Get(socket, "/"); });
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->body, "hello\n");
}

// More at once than anybody would start threads for.
TEST(NginxLoad, AThousandFibersGet) {
  REDIAL_NEEDS_PROGRAM("nginx");
  testing::NginxServer nginx;
  auto client = Client::Create(nginx.target(), {Retry()});
  ASSERT_TRUE(client.ok()) << client.status();
  auto fibers = FiberRuntime::Create({.workers = 2, .spread_spawns = true});
  ASSERT_TRUE(fibers.ok()) << fibers.status();
  std::vector<absl::StatusOr<Reply>> replies(1000);
  std::vector<Task> gets;
  for (absl::StatusOr<Reply>& reply : replies) {
    auto get = fibers->Spawn([&] {
      reply = client->Call({.operation = "GET /", .timeout = absl::Seconds(30), .idempotent = true},
                           [](Socket& socket) { return Get(socket, "/"); });
    });
    ASSERT_TRUE(get.ok()) << get.status();
    gets.push_back(*std::move(get));
  }
  gets.clear();  // joins them
  for (const absl::StatusOr<Reply>& reply : replies) {
    ASSERT_TRUE(reply.ok()) << Story(reply.status());
    ASSERT_EQ(reply->body, "hello\n");
  }
}

TEST_ON_EACH_RUNTIME(Nginx, SaysBusyAndIsAskedAgain) {
  REDIAL_NEEDS_PROGRAM("nginx");
  testing::NginxServer nginx;
  auto client = Client::Create(nginx.target(), {RetryOn503()});
  ASSERT_TRUE(client.ok()) << client.status();
  int asked = 0;
  const auto reply =
      client->Call({.operation = "GET /busy", .idempotent = true},
                   [&](Socket& socket) { return Get(socket, ++asked < 3 ? "/busy" : "/"); });
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(asked, 3);
}

// The last value is delivered, not hidden behind an error.
TEST_ON_EACH_RUNTIME(Nginx, ThatStaysBusyIsDeliveredAsItIs) {
  REDIAL_NEEDS_PROGRAM("nginx");
  testing::NginxServer nginx;
  auto client = Client::Create(nginx.target(), {RetryOn503()});
  ASSERT_TRUE(client.ok()) << client.status();
  int asked = 0;
  const auto reply =
      client->Call({.operation = "GET /busy", .idempotent = true}, [&](Socket& socket) {
        ++asked;
        return Get(socket, "/busy");
      });
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->status, 503);
  EXPECT_EQ(asked, 3);
}

// A 503 is an answer: what isn't idempotent is asked again only if the operation says that the server didn't act.
TEST_ON_EACH_RUNTIME(Nginx, IsAskedAgainForAPaymentOnlyIfItDidNotAct) {
  REDIAL_NEEDS_PROGRAM("nginx");
  testing::NginxServer nginx;
  auto client = Client::Create(nginx.target(), {RetryOn503()});
  ASSERT_TRUE(client.ok()) << client.status();
  int asked = 0;
  const auto pay = [&](Socket& socket) {
    ++asked;
    return Get(socket, "/busy");
  };
  EXPECT_TRUE(client->Call({.operation = "pay"}, pay).ok());
  EXPECT_EQ(asked, 1);
  asked = 0;
  EXPECT_TRUE(client
                  ->Call({.operation = "pay"},
                         [&](Socket& socket, const Attempt& attempt) {
                           attempt.set_sent(Sent::kRejected);
                           return pay(socket);
                         })
                  .ok());
  EXPECT_EQ(asked, 3);
}

}  // namespace
}  // namespace redial
