// The sentences in which a datagram socket's operations fail, beside those that it shares with a
// stream's (socket_error.h).
//
//   write to 127.0.0.1:8125: a datagram of 70000 bytes is too long (EMSGSIZE)
//   read from 127.0.0.1:53: a datagram of 1400 bytes was cut to the buffer's 512 (EMSGSIZE)
//   read timed out after 500 ms, on 127.0.0.1:5300
//
// Pure functions: safe from any thread.
#ifndef REDIAL_SRC_NET_DATAGRAM_ERROR_H_
#define REDIAL_SRC_NET_DATAGRAM_ERROR_H_

#include <cstddef>

#include "absl/status/status.h"
#include "redial/address.h"
#include "redial/failure.h"

namespace redial::internal {

// A try's errno; `size` is that of the datagram to be sent.
absl::Status DatagramStatus(int error, const Failure& failure, size_t size);
// What was received didn't fit.
absl::Status CutStatus(const Failure& failure, size_t size, size_t room);
// `Send` without a peer, or `SendTo` with one.
absl::Status MisdirectedStatus(const Address& peer, const Address& to);
// Names the socket that no peer stands for.
absl::Status OnSocket(const absl::Status& status, const Address& local);

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_DATAGRAM_ERROR_H_
