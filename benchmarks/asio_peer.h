// A timed exchange with standalone Asio, in its best form: callbacks, one timer, memory of Asio's
// own.
#ifndef REDIAL_BENCHMARKS_ASIO_PEER_H_
#define REDIAL_BENCHMARKS_ASIO_PEER_H_

#include <cstddef>
#include <memory>

namespace redial::benchmarks {

class AsioPeer {
 public:
  // Takes the connected descriptor over.
  explicit AsioPeer(int fd);
  ~AsioPeer();
  // Writes `size` bytes of `buffer` and reads as many back, within a second. False if that failed.
  bool RoundTrip(char* buffer, size_t size);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace redial::benchmarks

#endif  // REDIAL_BENCHMARKS_ASIO_PEER_H_
