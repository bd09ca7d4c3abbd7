// A stream for unit tests: reads give what was put in, writes go where there is room, and every try
// is counted.
#ifndef REDIAL_TESTS_UNIT_SCRIPTED_STREAM_H_
#define REDIAL_TESTS_UNIT_SCRIPTED_STREAM_H_

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <deque>
#include <limits>
#include <string>
#include <string_view>

#include "redial/stream.h"

namespace redial::testing {

// What a test holds on to after the socket took the stream.
struct StreamScript {
  // Each read takes from the first chunk alone, as if they had come in packets.
  std::deque<std::string> input;
  int input_error = EAGAIN;  // once the input is used up; 0 is the end
  std::string output;
  size_t room = std::numeric_limits<size_t>::max();  // what writes may still put out
  int output_error = EAGAIN;                         // once there is no room
  Event readable;
  Event writable;
  bool gives_source = true;
  bool closed = false;
  int reads = 0;
  int writes = 0;
  int shutdowns = 0;
  int pokes = 0;
  size_t largest_read = 0;

  void Arrive(std::string bytes) {
    input.push_back(std::move(bytes));
    readable.Set();
  }
  void End(int error = 0) {
    input_error = error;
    readable.Set();
  }
  void MakeRoom(size_t bytes) {
    room += bytes;
    writable.Set();
  }
};

class ScriptedStream final : public Stream {
 public:
  explicit ScriptedStream(StreamScript& script) : script_(script) {}

  Io FinishConnect() override { return {}; }

  Io TryRead(absl::Span<char> buffer) override {
    ++script_.reads;
    script_.largest_read = std::max(script_.largest_read, buffer.size());
    if (script_.closed) return {.error = EBADF};
    if (script_.input.empty()) return Nothing(script_.input_error, script_.readable);
    std::string& chunk = script_.input.front();
    const size_t n = std::min(chunk.size(), buffer.size());
    std::memcpy(buffer.data(), chunk.data(), n);
    chunk.erase(0, n);
    if (chunk.empty()) script_.input.pop_front();
    return {.bytes = n};
  }

  Io TryWrite(std::string_view data) override {
    ++script_.writes;
    if (script_.closed) return {.error = EBADF};
    const size_t n = std::min(data.size(), script_.room);
    if (n == 0) return Nothing(script_.output_error, script_.writable);
    script_.output.append(data.substr(0, n));
    script_.room -= n;
    return {.bytes = n};
  }

  bool HasInput() override { return !script_.input.empty(); }
  int ShutdownWrite() override {
    ++script_.shutdowns;
    return script_.closed ? EBADF : 0;
  }
  void Close() override {
    script_.closed = true;
    Poke();
  }
  void Poke() override {
    ++script_.pokes;
    script_.readable.Set();
    script_.writable.Set();
  }
  Address local() const override { return Address::Ipv4({127, 0, 0, 1}, 50000); }
  Address peer() const override { return Address::Ipv4({127, 0, 0, 1}, 6379); }

 private:
  Io Nothing(int error, Event& source) const {
    return {.error = error, .want = error == EAGAIN && script_.gives_source ? &source : nullptr};
  }

  StreamScript& script_;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTS_UNIT_SCRIPTED_STREAM_H_
