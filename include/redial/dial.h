// From a target to a connected socket, within one deadline: look-up and connects together.
//
//   auto target = redial::Target::Parse("tcp://cache:6379");
//   auto socket = redial::Dial(*target, redial::Deadline::After(runtime.Now(), absl::Seconds(1)));
//   if (!socket.ok()) std::cerr << redial::Story(socket.status()) << '\n';
//
// Addresses are tried as Happy Eyeballs v2 (RFC 8305) has it: families interleaved, IPv6 first, the
// next address after a delay or at once when one fails; the first to connect wins and the others
// are closed. The failure names every address tried.
//
// Errors: kNotFound no such host; kUnavailable refused, unreachable, or the name servers didn't
// answer; kDeadlineExceeded; kCancelled; kResourceExhausted out of descriptors or ports. Safe
// between threads.
#ifndef REDIAL_DIAL_H_
#define REDIAL_DIAL_H_

#include <stop_token>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/network.h"
#include "redial/socket.h"
#include "redial/target.h"
#include "redial/time.h"

namespace redial {

struct DialOptions {
  // Between two addresses: at least 10 ms, at most 2 s (RFC 8305, section 8: 250 ms).
  absl::Duration attempt_delay = absl::Milliseconds(250);
  // How long an IPv4 answer waits for the IPv6 one: at most 2 s (RFC 8305, section 8: 50 ms).
  absl::Duration resolution_delay = absl::Milliseconds(50);
  ResolverOptions resolver = {};
  SocketOptions socket = {};

  REDIAL_EXPORT absl::Status Validate() const;
};

// The socket keeps `deadline` and `stop`. Waits on `Runtime::Current()`.
REDIAL_EXPORT absl::StatusOr<Socket> Dial(const Target& target,
                                          Deadline deadline = Deadline::Never(),
                                          std::stop_token stop = {},
                                          const DialOptions& options = {},
                                          Network& network = CurrentNetwork());

}  // namespace redial

#endif  // REDIAL_DIAL_H_
