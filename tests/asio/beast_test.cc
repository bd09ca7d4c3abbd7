// Boost.Beast's HTTP over redial, on a scripted network in virtual time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/http.hpp>
#include <string>

#include "redial/asio/boost_stream.h"
#include "redial/redial.h"
#include "redial/testing/fake_network.h"
#include "redial/testing/matchers.h"

namespace redial {
namespace {

namespace http = boost::beast::http;
using testing::FakeNetwork;
using testing::FakePeer;
using ::testing::HasSubstr;
using testing::IsOkAndHolds;
using testing::StatusIs;

static_assert(boost::beast::is_sync_read_stream<BoostStream>::value);
static_assert(boost::beast::is_sync_write_stream<BoostStream>::value);

constexpr char kRequest[] = "GET /hello HTTP/1.1\r\nHost: web\r\n\r\n";

absl::StatusOr<std::string> Get(Socket& socket) {
  BoostStream stream(socket);
  boost::system::error_code error;
  http::request<http::empty_body> request(http::verb::get, "/hello", 11);
  request.set(http::field::host, "web");
  http::write(stream, request, error);
  if (error) return stream.StatusOf(error);
  boost::beast::flat_buffer buffer;
  http::response<http::string_body> response;
  http::read(stream, buffer, response, error);
  if (error) return stream.StatusOf(error);
  return response.body();
}

absl::StatusOr<std::string> GetWithin(FakeNetwork& net, absl::Duration timeout,
                                      PolicyList policies = {}) {
  auto client = Client::Create("tcp://web:80", std::move(policies), {.network = net});
  if (!client.ok()) return client.status();
  return client->Call({.operation = "GET /hello", .timeout = timeout, .idempotent = true}, Get);
}

FakePeer& Accepted(FakeNetwork& net) {
  return net.Script("tcp://web:80").Accept().Expect(kRequest);
}

TEST(Beast, GetsAPage) {
  FakeNetwork net;
  Accepted(net).Reply("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n");
  EXPECT_THAT(GetWithin(net, absl::Seconds(5)), IsOkAndHolds("hello\n"));
}

TEST(Beast, ReadsABodyThatEndsWithTheStream) {
  FakeNetwork net;
  Accepted(net).Reply("HTTP/1.1 200 OK\r\n\r\nhel").Reply("lo\n").Close();
  EXPECT_THAT(GetWithin(net, absl::Seconds(5)), IsOkAndHolds("hello\n"));
}

TEST(Beast, IsBoundByTheCallsDeadline) {
  FakeNetwork net;
  Accepted(net).Reply("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhel").Stall();
  const Instant start = net.runtime().Now();
  EXPECT_THAT(GetWithin(net, absl::Seconds(5)), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(net.runtime().Now() - start, absl::Seconds(5));
}

TEST(Beast, IsBoundInTotalByATrickle) {
  FakeNetwork net;
  Accepted(net).ReplySlowly("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n",
                            absl::Seconds(1));
  const Instant start = net.runtime().Now();
  EXPECT_THAT(GetWithin(net, absl::Seconds(5)), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(net.runtime().Now() - start, absl::Seconds(5));
}

TEST(Beast, IsAskedAgainAfterATruncatedReply) {
  FakeNetwork net;
  Accepted(net).Reply("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhel").Close();
  Accepted(net).Reply("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n");
  EXPECT_THAT(GetWithin(net, absl::Seconds(5), {Retry()}), IsOkAndHolds("hello\n"));
}

TEST(Beast, TellsTheStoryOfAFailure) {
  FakeNetwork net;
  Accepted(net).Close();
  const auto reply = GetWithin(net, absl::Seconds(5));
  EXPECT_THAT(reply, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("closed by the peer")));
  EXPECT_EQ(FailureOf(reply.status())->phase, Phase::kRead);
}

TEST(Beast, SaysWhatIsNoHttp) {
  FakeNetwork net;
  Accepted(net).Reply("SSH-2.0-OpenSSH\r\n");
  EXPECT_THAT(GetWithin(net, absl::Seconds(5)),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("beast.http: bad version")));
}

}  // namespace
}  // namespace redial
