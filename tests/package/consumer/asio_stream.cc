// A program that asks for the component `asio`: Asio's own algorithms over redial's sockets.

#include <asio/read_until.hpp>
#include <asio/write.hpp>
#include <iostream>
#include <string>

#include "redial/asio/asio_stream.h"
#include "redial/redial.h"

namespace {

absl::Status Converse(redial::Socket& asking, redial::Socket& answering) {
  redial::AsioStream client(asking);
  redial::AsioStream server(answering);
  asio::error_code error;
  std::string line;
  asio::write(client, asio::buffer("PING\r\n", 6), error);
  if (error) return client.StatusOf(error);
  asio::read_until(server, asio::dynamic_buffer(line), "\r\n", error);
  if (error) return server.StatusOf(error);
  std::cout << line;
  return absl::OkStatus();
}

}  // namespace

int main() {
  auto listener = redial::Listener::Listen(redial::Address::Ipv4({127, 0, 0, 1}, 0));
  const auto target = redial::Target::Parse("tcp://" + listener->local().ToString());
  const auto deadline =
      redial::Deadline::After(redial::Runtime::Current().Now(), absl::Seconds(10));
  auto asking = redial::Dial(*target, deadline);
  auto answering = listener->Accept(deadline);
  if (!asking.ok() || !answering.ok()) return 1;
  answering->set_deadline(deadline);
  return Converse(*asking, *answering).ok() ? 0 : 1;
}
