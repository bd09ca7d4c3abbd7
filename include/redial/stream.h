// The thin interface below `Socket`, which the kernel, fakes and simulations implement: tries that
// never wait, and say what to wait for.
//
//   redial::Io io = stream.TryRead(buffer);
//   if (io.error == EAGAIN) runtime.Wait(*io.want, deadline, stop);   // then try again
//
// People use `Socket`. Implementers: one thread may read while another writes; `Close` and `Poke`
// come from any thread.
#ifndef REDIAL_STREAM_H_
#define REDIAL_STREAM_H_

#include <cstddef>
#include <memory>
#include <string_view>

#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/export.h"
#include "redial/source.h"

namespace redial {

// What a try came to.
struct Io {
  size_t bytes = 0;
  int error = 0;  // errno; 0 with no bytes read is the end of the stream
  // With EAGAIN: what to wait for (a TLS read may want to write). Null where nothing tells, as for
  // a Unix socket with a full backlog: pause for a moment and try again.
  Source* want = nullptr;
};

class REDIAL_EXPORT Stream {
 public:
  virtual ~Stream();

  // After `Network::StartConnect`: no error once connected, EAGAIN until then.
  virtual Io FinishConnect() = 0;
  virtual Io TryRead(absl::Span<char> buffer) = 0;
  // Where the last read took all that there was, and whatever comes next will end a wait: what to
  // wait for, so that a try which could only fail is spared. Null where that isn't certain. Only for
  // who then waits, and tries after it.
  virtual Source* Drained() { return nullptr; }
  virtual Io TryWrite(std::string_view data) = 0;
  // Whether bytes of the peer's wait to be read. The writer asks when a write failed: a reply that
  // came before the connection ended means that the peer did act. Takes nothing, so it may be
  // called while another thread reads; false is always a safe answer.
  virtual bool HasInput() { return false; }
  // The peer reads the end after what was written. An errno, or 0.
  virtual int ShutdownWrite() = 0;
  // Ends pending waits; every later try answers EBADF.
  virtual void Close() = 0;
  // Makes pending waits look again.
  virtual void Poke() = 0;

  virtual Address local() const = 0;
  virtual Address peer() const = 0;
  // The kernel's descriptor, for options that redial doesn't know; -1 where there is none.
  virtual int fd() const { return -1; }
};

// A listening endpoint.
class REDIAL_EXPORT Acceptor {
 public:
  virtual ~Acceptor();

  struct Result {
    std::unique_ptr<Stream> stream;  // null with an error
    int error = 0;
    Source* want = nullptr;  // with EAGAIN
  };
  virtual Result TryAccept() = 0;
  virtual void Close() = 0;
  virtual void Poke() = 0;
  virtual Address local() const = 0;
};

// What a try with a datagram came to. No bytes and no error is a datagram without any, which is
// legal.
struct DatagramIo {
  size_t bytes = 0;
  // Of the datagram that was received: more than `bytes` where it was cut to fit, and the rest is
  // lost.
  size_t size = 0;
  int error = 0;           // errno
  Source* want = nullptr;  // with EAGAIN, as in `Io`
};

// One end of a datagram service; people use `Datagram`. Threads as for a `Stream`: one may receive
// while another sends.
class REDIAL_EXPORT DatagramEndpoint {
 public:
  virtual ~DatagramEndpoint();

  // Who sent it goes to `from`, unless that is null. An error that an earlier datagram met on its
  // way (ECONNREFUSED) is reported once, by whichever try comes next.
  virtual DatagramIo TryReceive(absl::Span<char> buffer, Address* from) = 0;
  // All of `data` or nothing; to the peer where `to` is null.
  virtual DatagramIo TrySend(std::string_view data, const Address* to) = 0;
  // Ends pending waits; every later try answers EBADF.
  virtual void Close() = 0;
  virtual void Poke() = 0;

  virtual Address local() const = 0;
  // No address where it isn't connected.
  virtual Address peer() const = 0;
  virtual int fd() const { return -1; }
};

}  // namespace redial

#endif  // REDIAL_STREAM_H_
