// A `redial::Socket` where Asio's or Beast's synchronous functions want a stream, so that whatever
// is built on those keeps redial's deadlines. This header knows neither library; one of
// redial/asio/asio_stream.h and redial/asio/boost_stream.h names the error code to use.
//
//   redial::SyncStream<asio::error_code> stream(socket);  // from redial/asio/asio_stream.h
//   asio::error_code error;
//   asio::write(stream, asio::buffer("PING\r\n", 6), error);
//   if (error) return stream.StatusOf(error);
//
// The stream waits as its socket does: the deadline, the operation timeout and the stop token are
// the socket's. Used by one thread at a time, and no longer than its socket.
#ifndef REDIAL_ASIO_SYNC_STREAM_H_
#define REDIAL_ASIO_SYNC_STREAM_H_

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "redial/failure.h"
#include "redial/socket.h"

namespace redial {

// What differs between the libraries: specialised for the error code of each.
//
//   using MutableBuffer, ConstBuffer             single buffers, with data() and size()
//   Begin(sequence), End(sequence)               the buffers of a sequence
//   ErrorCode Eof(), System(int error)           the end of the stream; an errno
//   void Throw(const ErrorCode&, const char*)    throws the library's exception for an error
template <class ErrorCode>
struct SyncStreamTraits;

namespace internal {

// The errno that stands for a failed operation of a socket.
inline int ErrnoOf(const absl::Status& status) {
  if (status.code() == absl::StatusCode::kDeadlineExceeded) return ETIMEDOUT;
  if (status.code() == absl::StatusCode::kCancelled) return ECANCELED;
  const std::optional<Failure> failure = FailureOf(status);
  return failure.has_value() && failure->error != 0 ? failure->error : EIO;
}

inline absl::Status EndOfStream(const Socket& socket) {
  Failure failure;
  failure.phase = Phase::kRead;
  failure.bytes_sent = socket.bytes_sent();
  failure.bytes_received = socket.bytes_received();
  failure.sent = failure.bytes_sent == 0       ? Sent::kNo
                 : failure.bytes_received == 0 ? Sent::kMaybe
                                               : Sent::kAnswered;
  failure.address = socket.peer().ToString();
  return WithFailure(
      absl::UnavailableError(absl::StrCat("read from ", failure.address, ": closed by the peer")),
      failure);
}

}  // namespace internal

// Satisfies SyncReadStream and SyncWriteStream. An error code says what happened in the library's
// own terms (`timed_out`, `operation_aborted`, `eof`, `connection_reset`, …), `last_status` in
// redial's, with the story.
template <class ErrorCode>
class SyncStream {
 public:
  explicit SyncStream(Socket& socket) : socket_(socket) {}
  SyncStream(const SyncStream&) = delete;
  SyncStream& operator=(const SyncStream&) = delete;

  // Reads at least one byte into the first buffer that has room: 0 bytes and `eof` at the end of
  // the stream, 0 bytes and no error where no buffer has room.
  template <class MutableBufferSequence>
  size_t read_some(const MutableBufferSequence& buffers, ErrorCode& error);
  // Writes the first buffer, and small ones together. A failed write still returns how much went
  // out.
  template <class ConstBufferSequence>
  size_t write_some(const ConstBufferSequence& buffers, ErrorCode& error);

  // The same, and the library's exception for an error.
  template <class MutableBufferSequence>
  size_t read_some(const MutableBufferSequence& buffers);
  template <class ConstBufferSequence>
  size_t write_some(const ConstBufferSequence& buffers);

  // What the last operation came to; kUnavailable, "closed by the peer", for `eof`.
  const absl::Status& last_status() const { return last_status_; }
  // What to return for an error of something built on this stream: `last_status` where the stream
  // failed, else kUnknown with the error's own words (the peer sent what isn't HTTP).
  absl::Status StatusOf(const ErrorCode& error) const;

  Socket& socket() const { return socket_; }

 private:
  using Traits = SyncStreamTraits<ErrorCode>;
  // Smaller buffers than this share one write: a head and a small body are one packet.
  using Gathered = std::array<char, 4096>;

  ErrorCode Ended(absl::Status status) {
    last_status_ = std::move(status);
    return last_status_.ok() ? ErrorCode() : Traits::System(internal::ErrnoOf(last_status_));
  }

  // The first buffer that isn't empty, or as many of the first as fit into `space`.
  template <class ConstBufferSequence>
  static std::string_view Next(const ConstBufferSequence& buffers, Gathered& space);

  Socket& socket_;
  absl::Status last_status_;
};

template <class ErrorCode>
template <class MutableBufferSequence>
size_t SyncStream<ErrorCode>::read_some(const MutableBufferSequence& buffers, ErrorCode& error) {
  absl::Span<char> room;
  for (auto at = Traits::Begin(buffers); at != Traits::End(buffers) && room.empty(); ++at) {
    const typename Traits::MutableBuffer buffer(*at);
    room = absl::MakeSpan(static_cast<char*>(buffer.data()), buffer.size());
  }
  if (room.empty()) {
    error = Ended(absl::OkStatus());
    return 0;
  }
  const absl::StatusOr<size_t> n = socket_.Read(room);
  error = Ended(n.status());
  if (!n.ok()) return 0;
  if (*n == 0) {
    last_status_ = internal::EndOfStream(socket_);
    error = Traits::Eof();
  }
  return *n;
}

template <class ErrorCode>
template <class ConstBufferSequence>
size_t SyncStream<ErrorCode>::write_some(const ConstBufferSequence& buffers, ErrorCode& error) {
  Gathered space;
  const std::string_view data = Next(buffers, space);
  if (data.empty()) {
    error = Ended(absl::OkStatus());
    return 0;
  }
  error = Ended(socket_.Write(data));
  if (last_status_.ok()) return data.size();
  // Where another thread is writing, the count is that one's.
  return error.value() == EBUSY ? 0 : socket_.last_write_bytes();
}

template <class ErrorCode>
template <class MutableBufferSequence>
size_t SyncStream<ErrorCode>::read_some(const MutableBufferSequence& buffers) {
  ErrorCode error;
  const size_t n = read_some(buffers, error);
  if (error) Traits::Throw(error, "read_some");
  return n;
}

template <class ErrorCode>
template <class ConstBufferSequence>
size_t SyncStream<ErrorCode>::write_some(const ConstBufferSequence& buffers) {
  ErrorCode error;
  const size_t n = write_some(buffers, error);
  if (error) Traits::Throw(error, "write_some");
  return n;
}

template <class ErrorCode>
absl::Status SyncStream<ErrorCode>::StatusOf(const ErrorCode& error) const {
  if (!error || !last_status_.ok()) return error ? last_status_ : absl::OkStatus();
  return absl::UnknownError(absl::StrCat(error.category().name(), ": ", error.message()));
}

template <class ErrorCode>
template <class ConstBufferSequence>
std::string_view SyncStream<ErrorCode>::Next(const ConstBufferSequence& buffers, Gathered& space) {
  std::string_view first;
  size_t gathered = 0;
  for (auto at = Traits::Begin(buffers); at != Traits::End(buffers); ++at) {
    const typename Traits::ConstBuffer buffer(*at);
    const std::string_view data(static_cast<const char*>(buffer.data()), buffer.size());
    if (data.empty()) continue;
    if (first.empty()) {
      first = data;
      continue;
    }
    if (gathered == 0) {
      if (first.size() + data.size() > space.size()) return first;
      std::memcpy(space.data(), first.data(), first.size());
      gathered = first.size();
    }
    const size_t n = std::min(data.size(), space.size() - gathered);
    std::memcpy(space.data() + gathered, data.data(), n);
    gathered += n;
    if (n < data.size()) break;
  }
  return gathered == 0 ? first : std::string_view(space.data(), gathered);
}

}  // namespace redial

#endif  // REDIAL_ASIO_SYNC_STREAM_H_
