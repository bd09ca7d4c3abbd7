// A `Socket` over a scripted stream in virtual time.
#ifndef REDIAL_TESTS_UNIT_SOCKET_FIXTURE_H_
#define REDIAL_TESTS_UNIT_SOCKET_FIXTURE_H_

#include <memory>
#include <string>

#include "gtest/gtest.h"
#include "redial/socket.h"
#include "redial/testing/virtual_runtime.h"
#include "tests/unit/scripted_stream.h"

namespace redial {

class SocketTest : public ::testing::Test {
 protected:
  std::string Message(const absl::Status& status) { return std::string(status.message()); }
  absl::StatusOr<std::string> ReadUpTo(size_t size) {
    std::string bytes(size, '\0');
    const absl::StatusOr<size_t> n = socket.Read(absl::MakeSpan(bytes.data(), size));
    if (!n.ok()) return n.status();
    bytes.resize(*n);
    return bytes;
  }
  Deadline In(absl::Duration d) { return Deadline::After(runtime.Now(), d); }

  testing::VirtualRuntime runtime;
  testing::StreamScript script;
  Socket socket{std::make_unique<testing::ScriptedStream>(script)};
};

}  // namespace redial

#endif  // REDIAL_TESTS_UNIT_SOCKET_FIXTURE_H_
