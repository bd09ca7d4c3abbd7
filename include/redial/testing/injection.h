// Faults at chosen points of a simulation: what code is about to do is shown to an `Injector`, which
// says what goes wrong instead.
//
//   class ResetAt final : public redial::testing::Injector {
//    public:
//     redial::testing::Injection On(const redial::testing::Point& point) override {
//       if (point.operation != redial::testing::Operation::kWrite || count_++ != 3) return {};
//       return {.kind = redial::testing::Injection::Kind::kReset, .after = point.size / 2};
//     }
//    private:
//     int count_ = 0;
//   };
//
//   ResetAt reset_at;
//   redial::testing::Simulation sim(/*seed=*/7);
//   sim.set_injector(&reset_at);
//
// Used by one thread.
#ifndef REDIAL_TESTING_INJECTION_H_
#define REDIAL_TESTING_INJECTION_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "redial/export.h"
#include "redial/time.h"

namespace redial::testing {

enum class Operation : uint8_t { kResolve, kConnect, kAccept, kRead, kWrite };
REDIAL_EXPORT std::string_view OperationName(Operation operation);  // "connect"

// What code on a host is about to do. Reads are shown only where there is something to read. A
// datagram that is sent is a write without a connection: it is lost, whatever goes wrong with it.
struct Point {
  Operation operation = Operation::kConnect;
  std::string_view host = {};  // whose code it is
  Instant at = {};
  // Which connection, from 1 in the order in which they were begun, and which of its ends. 0 where
  // there is none.
  uint64_t connection = 0;
  bool client = true;
  // How many bytes went that way before, and how many are to go now.
  uint64_t offset = 0;
  size_t size = 0;
};

struct Injection {
  enum class Kind : uint8_t {
    kNone,
    kRefuse,  // connect: refused; resolve: no such host
    kReset,   // both ends see a reset, behind the bytes that passed
    kClose,   // both ends see the end, behind the bytes that passed
    kStall,   // nothing passes any more, either way, and nobody is told; resolve: no answer
    kShort,   // only `after` bytes are written or read, at least one; all else goes on
  };
  Kind kind = Kind::kNone;
  // Of a write: how many of its bytes still pass. Of a read: how many are given.
  size_t after = 0;
};
REDIAL_EXPORT std::string_view InjectionName(Injection::Kind kind);  // "reset"

class REDIAL_EXPORT Injector {
 public:
  virtual ~Injector();
  virtual Injection On(const Point& point) = 0;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTING_INJECTION_H_
