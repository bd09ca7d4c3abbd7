// How a behaviour is written down. Each runs in every world; `docs/conformance.md` lists them all,
// made from the comments above them by tools/dev/conformance.py.
//
//   // A past deadline fails at once, though a connection is queued.
//   // Source: Go net TestAcceptTimeout.
//   CONFORM(Accepting, AnExpiredDeadlineTakesNothing) {
//     Listener listener = Listen();
//     Socket queued = Connect(listener.local());
//     EXPECT_EQ(listener.Accept(Deadline::Past()).status().code(), kDeadlineExceeded);
//   }
//
// The code between the braces is a member of a class of its own, derived from `Body` or from what
// the file derives from it (`Accepting` here), made and run inside the world.
#ifndef REDIAL_TESTS_CONFORMANCE_BODY_H_
#define REDIAL_TESTS_CONFORMANCE_BODY_H_

#include <gtest/gtest.h>

#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "redial/address.h"
#include "redial/dial.h"
#include "redial/failure.h"
#include "redial/listener.h"
#include "redial/runtime.h"
#include "redial/socket.h"
#include "redial/stream.h"
#include "redial/target.h"
#include "redial/time.h"
#include "tests/conformance/world.h"

namespace redial::conformance {

// Names that bodies use all the time.
inline constexpr absl::StatusCode kOk = absl::StatusCode::kOk;
inline constexpr absl::StatusCode kCancelled = absl::StatusCode::kCancelled;
inline constexpr absl::StatusCode kDeadlineExceeded = absl::StatusCode::kDeadlineExceeded;
inline constexpr absl::StatusCode kFailedPrecondition = absl::StatusCode::kFailedPrecondition;
inline constexpr absl::StatusCode kInvalidArgument = absl::StatusCode::kInvalidArgument;
inline constexpr absl::StatusCode kNotFound = absl::StatusCode::kNotFound;
inline constexpr absl::StatusCode kResourceExhausted = absl::StatusCode::kResourceExhausted;
inline constexpr absl::StatusCode kUnavailable = absl::StatusCode::kUnavailable;

// Reached only where something hangs: no oracle asks how late a thing is.
inline constexpr absl::Duration kHang = absl::Seconds(30);
// Shorter than any limit that a body gives, longer than anything takes that needs no waiting.
inline constexpr absl::Duration kMoment = absl::Milliseconds(5);

// The two ends of a connection.
struct Ends {
  Socket client;
  Socket server;
};

// The same below `Socket`: tries that never wait.
struct StreamEnds {
  std::unique_ptr<Stream> client;
  std::unique_ptr<Stream> server;
};

class Body {
 public:
  Body() = default;
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;
  virtual ~Body() = default;
  virtual void Inside() = 0;

 protected:
  static World& world();
  static Runtime& runtime() { return Runtime::Current(); }
  static Instant Now() { return runtime().Now(); }
  static Deadline In(absl::Duration d) { return Deadline::After(Now(), d); }
  // Bounds what should end by itself.
  static Deadline Guard() { return In(kHang); }
  static void Sleep(absl::Duration d) { runtime().SleepUntil(In(d), {}); }
  // Beside the body, on another worker where there is one. Joined when it goes.
  static Task Go(absl::AnyInvocable<void()> fn);

  // That it took no less than `limit` since `began`; exactly that in virtual time.
  static void ExpectTook(Instant began, absl::Duration limit);
  // That whatever happened since `began` waited for no limit.
  static void ExpectAtOnce(Instant began);

  // On a free port of `Host(1)`.
  static Listener Listen(const ListenOptions& options = {});
  static Listener ListenOn(const std::string& host, uint16_t port = 0,
                           const ListenOptions& options = {});
  static Target TargetOf(const Address& address);
  static Target TargetOf(const std::string& name, uint16_t port);
  // With this world's name servers.
  static DialOptions Options();
  // Must succeed.
  static Socket Connect(const Address& address);
  static Socket Accept(Listener& listener);
  // A new connection over TCP.
  static Ends Connected(const SocketOptions& options = {});
  // One whose buffers hold little, so that a writer soon waits.
  static Ends Narrow() { return Connected({.send_buffer = 4096, .receive_buffer = 4096}); }
  static StreamEnds Streams();
  // An abstract path that nobody uses, and one in the file system.
  static Address FreePath();
  static Address FreeFile();

  // That the connection stands, both ways.
  static void ExpectTalks(Socket& a, Socket& b);
  static absl::StatusOr<size_t> ReadByte(Socket& socket);
  static int ErrnoOf(const absl::Status& status);
};

namespace internal {
bool Register(const char* topic, const char* behaviour, const char* file, int line,
              std::unique_ptr<Body> (*make)());
}  // namespace internal

// GoogleTest's own macros run a body where they like; this one's runs inside each world.
#define CONFORM(Topic, Behaviour)                                                             \
  class Topic##_##Behaviour final : public Topic {                                            \
   public:                                                                                    \
    void Inside() override;                                                                   \
  };                                                                                          \
  [[maybe_unused]] const bool registered_##Topic##_##Behaviour =                              \
      ::redial::conformance::internal::Register(                                              \
          #Topic, #Behaviour, __FILE__, __LINE__,                                             \
          []() -> std::unique_ptr<Body> { return std::make_unique<Topic##_##Behaviour>(); }); \
  void Topic##_##Behaviour::Inside()

}  // namespace redial::conformance

#endif  // REDIAL_TESTS_CONFORMANCE_BODY_H_
