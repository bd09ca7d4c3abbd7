// A socket as the synchronous stream of standalone Asio.
#include <gtest/gtest.h>

#include <array>
#include <asio/buffer.hpp>
#include <asio/read.hpp>
#include <asio/read_until.hpp>
#include <asio/write.hpp>
#include <string>
#include <string_view>

#include "redial/asio/asio_stream.h"

namespace redial {
namespace {

struct Library {
  using Stream = AsioStream;
  using Code = asio::error_code;
  using SystemError = asio::system_error;
  using Errors = asio::error::basic_errors;
  static Code Eof() { return asio::error::eof; }
  static auto Room(char* data, size_t size) { return asio::buffer(data, size); }
  static asio::const_buffer Bytes(std::string_view text) { return asio::buffer(text); }
};

}  // namespace
}  // namespace redial

#include "tests/asio/sync_stream_cases.h"

namespace redial {
namespace {

// The library's own.
TEST_F(SyncStreamTest, ServesAlgorithms) {
  script_.Arrive("+PO");
  script_.Arrive("NG\r\nrest");
  std::string line;
  EXPECT_EQ(asio::read_until(stream_, asio::dynamic_buffer(line), "\r\n", error_), 7u);
  EXPECT_EQ(line, "+PONG\r\nrest");
  EXPECT_EQ(asio::write(stream_, asio::buffer(std::string(9000, 'y')), error_), 9000u);
  EXPECT_EQ(script_.output.size(), 9000u);
  script_.Arrive("abc");
  script_.End();
  std::array<char, 5> five{};
  EXPECT_EQ(asio::read(stream_, asio::buffer(five), error_), 3u);
  EXPECT_EQ(error_, asio::error::eof);
}

}  // namespace
}  // namespace redial
