// `redial::SyncStream` for standalone Asio.
//
//   redial::AsioStream stream(socket);
//   asio::error_code error;
//   std::string line;
//   asio::read_until(stream, asio::dynamic_buffer(line, 512), "\r\n", error);
//   if (error) return stream.StatusOf(error);
//
// Needs Asio 1.22 or later; the CMake target is `redial::asio`.
#ifndef REDIAL_ASIO_ASIO_STREAM_H_
#define REDIAL_ASIO_ASIO_STREAM_H_

#include <asio/buffer.hpp>
#include <asio/detail/throw_error.hpp>
#include <asio/error.hpp>

#include "redial/asio/sync_stream.h"

namespace redial {

template <>
struct SyncStreamTraits<asio::error_code> {
  using MutableBuffer = asio::mutable_buffer;
  using ConstBuffer = asio::const_buffer;

  template <class BufferSequence>
  static auto Begin(const BufferSequence& buffers) {
    return asio::buffer_sequence_begin(buffers);
  }
  template <class BufferSequence>
  static auto End(const BufferSequence& buffers) {
    return asio::buffer_sequence_end(buffers);
  }
  static asio::error_code Eof() { return asio::error::make_error_code(asio::error::eof); }
  static asio::error_code System(int error) {
    return asio::error_code(error, asio::error::get_system_category());
  }
  // Asio's own way, which a program without exceptions defines for itself.
  static void Throw(const asio::error_code& error, const char* where) {
    asio::detail::throw_error(error, where);
  }
};

using AsioStream = SyncStream<asio::error_code>;

}  // namespace redial

#endif  // REDIAL_ASIO_ASIO_STREAM_H_
