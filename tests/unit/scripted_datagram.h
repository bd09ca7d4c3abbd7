// A datagram endpoint for unit tests: receives what was put in, sends where there is room, and
// counts every try.
#ifndef REDIAL_TESTS_UNIT_SCRIPTED_DATAGRAM_H_
#define REDIAL_TESTS_UNIT_SCRIPTED_DATAGRAM_H_

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <deque>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "redial/stream.h"

namespace redial::testing {

// What a test holds on to after the socket took the endpoint.
struct DatagramScript {
  Address local = Address::Ipv4({127, 0, 0, 1}, 50000);
  Address peer = Address::Ipv4({127, 0, 0, 1}, 8125);
  std::deque<std::pair<Address, std::string>> input;
  std::vector<std::pair<Address, std::string>> output;
  int input_error = EAGAIN;                          // once the input is used up
  size_t room = std::numeric_limits<size_t>::max();  // of datagrams
  int output_error = EAGAIN;                         // once there is no room
  Event readable;
  Event writable;
  bool closed = false;
  int receives = 0;
  int sends = 0;
  int pokes = 0;

  void Arrive(std::string bytes) {
    input.emplace_back(peer, std::move(bytes));
    readable.Set();
  }
};

class ScriptedDatagram final : public DatagramEndpoint {
 public:
  explicit ScriptedDatagram(DatagramScript& script) : script_(script) {}

  DatagramIo TryReceive(absl::Span<char> buffer, Address* from) override {
    ++script_.receives;
    if (script_.closed) return {.error = EBADF};
    if (script_.input.empty()) {
      const int error = std::exchange(script_.input_error, EAGAIN);
      return {.error = error, .want = error == EAGAIN ? &script_.readable : nullptr};
    }
    const auto [sender, bytes] = std::move(script_.input.front());
    script_.input.pop_front();
    if (from != nullptr) *from = sender;
    const size_t n = std::min(bytes.size(), buffer.size());
    if (n > 0) std::memcpy(buffer.data(), bytes.data(), n);
    return {.bytes = n, .size = bytes.size()};
  }

  DatagramIo TrySend(std::string_view data, const Address* to) override {
    ++script_.sends;
    if (script_.closed) return {.error = EBADF};
    if (script_.room == 0) {
      const int error = script_.output_error;
      return {.error = error, .want = error == EAGAIN ? &script_.writable : nullptr};
    }
    --script_.room;
    script_.output.emplace_back(to != nullptr ? *to : script_.peer, data);
    return {.bytes = data.size(), .size = data.size()};
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
  Address local() const override { return script_.local; }
  Address peer() const override { return script_.peer; }

 private:
  DatagramScript& script_;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTS_UNIT_SCRIPTED_DATAGRAM_H_
