// A socket as the synchronous stream of Boost.Asio.
#include <gtest/gtest.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <string>
#include <string_view>

#include "redial/asio/boost_stream.h"

namespace redial {
namespace {

struct Library {
  using Stream = BoostStream;
  using Code = boost::system::error_code;
  using SystemError = boost::system::system_error;
  using Errors = boost::asio::error::basic_errors;
  static Code Eof() { return boost::asio::error::eof; }
  static auto Room(char* data, size_t size) { return boost::asio::buffer(data, size); }
  static boost::asio::const_buffer Bytes(std::string_view text) {
    return boost::asio::const_buffer(text.data(), text.size());
  }
};

}  // namespace
}  // namespace redial

#include "tests/asio/sync_stream_cases.h"

namespace redial {
namespace {

// The library's own.
TEST_F(SyncStreamTest, ServesAlgorithms) {
  script_.Arrive("+PO");
  script_.Arrive("NG\r\n");
  std::string line;
  EXPECT_EQ(boost::asio::read_until(stream_, boost::asio::dynamic_buffer(line), "\r\n", error_),
            7u);
  script_.room = 4000;
  ASSERT_TRUE(socket_.set_operation_timeout(absl::Seconds(1)).ok());
  const std::string many(9000, 'y');
  EXPECT_EQ(boost::asio::write(stream_, boost::asio::buffer(many), error_), 4000u);
  EXPECT_EQ(error_, boost::asio::error::timed_out);
}

}  // namespace
}  // namespace redial
