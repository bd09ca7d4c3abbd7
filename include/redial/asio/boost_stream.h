// `redial::SyncStream` for Boost.Asio, and so for Boost.Beast.
//
//   redial::BoostStream stream(socket);
//   boost::system::error_code error;
//   stream.write_some(boost::asio::buffer("PING\r\n", 6), error);
//   if (error) return stream.StatusOf(error);
//
// `boost::beast::http::write(stream, request, error)` works alike. Needs Boost 1.74 or later; the CMake target is `redial::boost_asio`.
#ifndef REDIAL_ASIO_BOOST_STREAM_H_
#define REDIAL_ASIO_BOOST_STREAM_H_

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <boost/throw_exception.hpp>

#include "redial/asio/sync_stream.h"

namespace redial {

template <>
struct SyncStreamTraits<boost::system::error_code> {
  using MutableBuffer = boost::asio::mutable_buffer;
  using ConstBuffer = boost::asio::const_buffer;

  template <class BufferSequence>
  static auto Begin(const BufferSequence& buffers) {
    return boost::asio::buffer_sequence_begin(buffers);
  }
  template <class BufferSequence>
  static auto End(const BufferSequence& buffers) {
    return boost::asio::buffer_sequence_end(buffers);
  }
  static boost::system::error_code Eof() {
    return boost::asio::error::make_error_code(boost::asio::error::eof);
  }
  static boost::system::error_code System(int error) {
    return boost::system::error_code(error, boost::asio::error::get_system_category());
  }
  // Boost's own way, which a program without exceptions defines for itself.
  static void Throw(const boost::system::error_code& error, const char* where) {
    boost::throw_exception(boost::system::system_error(error, where));
  }
};

using BoostStream = SyncStream<boost::system::error_code>;

}  // namespace redial

#endif  // REDIAL_ASIO_BOOST_STREAM_H_
