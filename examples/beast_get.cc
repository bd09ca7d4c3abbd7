// One GET with Boost.Beast over a redial client: the connection, the request and the reply share one deadline, and what
// was never answered is asked again.
//
//   beast_get tcp://127.0.0.1:80 / 5
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cstdlib>
#include <iostream>
#include <string>

#include "redial/asio/boost_stream.h"
#include "redial/redial.h"

namespace http = boost::beast::http;
using Reply = http::response<http::string_body>;

namespace {

absl::StatusOr<Reply> Get(redial::Socket& socket, const std::string& path) {
  redial::BoostStream stream(socket);
  boost::system::error_code error;

  http::request<http::empty_body> request(http::verb::get, path, 11);
  request.set(http::field::host, socket.peer().ToString());
  request.set(http::field::connection, "close");
  http::write(stream, request, error);
  if (error) return stream.StatusOf(error);

  boost::beast::flat_buffer buffer;
  Reply reply;
  http::read(stream, buffer, reply, error);
  if (error) return stream.StatusOf(error);
  return reply;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: beast_get TARGET PATH SECONDS\n";
    return 2;
  }
  auto client = redial::Client::Create(argv[1], {redial::Retry({.max_attempts = 3})});
  if (!client.ok()) {
    std::cerr << client.status().message() << '\n';
    return 2;
  }
  auto reply = client->Call({.operation = "GET",
                             .timeout = absl::Seconds(std::strtod(argv[3], nullptr)),
                             .idempotent = true},
                            [&](redial::Socket& socket) { return Get(socket, argv[2]); });
  if (!reply.ok()) {
    std::cerr << redial::Story(reply.status()) << '\n';
    return 1;
  }
  std::cout << reply->result_int() << ' ' << reply->body();
}
