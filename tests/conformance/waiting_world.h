// What a conformance body runs in: a runtime, and byte streams that its code may wait for. One
// body, every implementation.
#ifndef REDIAL_TESTS_CONFORMANCE_WAITING_WORLD_H_
#define REDIAL_TESTS_CONFORMANCE_WAITING_WORLD_H_

#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/types/span.h"
#include "redial/source.h"

namespace redial::conformance {

// What a try came to.
struct Try {
  size_t bytes = 0;  // none and no error: the end of the stream
  int error = 0;     // EAGAIN: wait, and try again
};

// One end of a connection. One reader beside one writer; Close and Poke from any thread.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  virtual Try TryRead(absl::Span<char> buffer) = 0;
  virtual Try TryWrite(std::string_view data) = 0;
  virtual Source& readable() = 0;
  virtual Source& writable() = 0;
  virtual void Close() = 0;
  virtual void Poke() = 0;
};

using StreamPair = std::pair<std::unique_ptr<ByteStream>, std::unique_ptr<ByteStream>>;

class WaitingWorld {
 public:
  virtual ~WaitingWorld() = default;
  // Runs `body` inside, and returns when it has; `Runtime::Current()` is this world's there.
  virtual void Run(absl::AnyInvocable<void()> body) = 0;
  // Two connected ends that hold a few kilobytes between them.
  virtual StreamPair Connect() = 0;
};

// Threads and socket pairs.
std::unique_ptr<WaitingWorld> MakeWaitingThreadWorld();
// Fibers on two workers, each of which spawns on the other, and socket pairs.
std::unique_ptr<WaitingWorld> MakeWaitingFiberWorld();
// Fibers in virtual time, and streams in memory.
std::unique_ptr<WaitingWorld> MakeWaitingVirtualWorld();

StreamPair ConnectThroughKernel();
StreamPair ConnectInMemory();

}  // namespace redial::conformance

#endif  // REDIAL_TESTS_CONFORMANCE_WAITING_WORLD_H_
