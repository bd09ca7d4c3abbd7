// Which address to try when: Happy Eyeballs version 2 (RFC 8305) as a machine without clock or
// sockets.
//
// Theory of operation. Two look-ups run side by side, one a family, and each answers once or more
// with addresses or with none. What they found waits in two queues. An attempt starts when
//
//   - there is an address to try: one of the family that was not tried last, so that the families
//     alternate, IPv6 first (section 4); late answers join the queues and are tried in their turn;
//     those to avoid only when nothing else is queued;
//   - and, before the first attempt, the IPv6 answer is there or the IPv4 one has waited for it for
//     the resolution delay (section 3); with nothing but addresses to avoid, each waits so for the
//     other;
//   - and nothing else is in flight, or an attempt failed since the last start, or that start is an
//     attempt delay ago (section 5).
//
// The first attempt that connects wins, and every other one is aborted. When both look-ups have
// answered, nothing is queued and nothing is in flight, the dial has failed. An address that
// appears twice is tried once.
//
// Protocol. Events say what happened; `Next` says what to do. Drain `Next` after each event and at
// each instant that it asked for, until it answers kWaitUntil, kWon or kFailed. A kStart is
// answered by Connected or AttemptFailed with its id, at once or later, or by nothing after its
// kAbort. Late, duplicate and unknown ids are ignored; `now` never runs backwards.
//
//   HappyEyeballs machine({});
//   machine.Answered(now, Address::Family::kIpv6, addresses);
//   for (auto action = machine.Next(now); ...; action = machine.Next(now)) ...
//
// Not shared between threads.
#ifndef REDIAL_SRC_NET_HAPPY_EYEBALLS_H_
#define REDIAL_SRC_NET_HAPPY_EYEBALLS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/time.h"

namespace redial::internal {

class HappyEyeballs {
 public:
  struct Options {
    absl::Duration attempt_delay = absl::Milliseconds(250);
    absl::Duration resolution_delay = absl::Milliseconds(50);
    // Tried last: another attempt of the call is there, or has failed there.
    std::vector<Address> avoid = {};
  };

  struct Action {
    enum class Type : uint8_t { kStart, kAbort, kWaitUntil, kWon, kFailed };
    Type type = Type::kFailed;
    int id = -1;      // kStart, kAbort, kWon: attempts count from 0, in the order of their starts
    Address address;  // kStart
    Deadline until;   // kWaitUntil: never when only an event can help
  };

  explicit HappyEyeballs(Options options) : options_(std::move(options)) {}

  // What the look-up of one family found; no address when it failed, or wasn't asked.
  void Answered(Instant now, Address::Family family, absl::Span<const Address> addresses);
  void Connected(Instant now, int id);
  void AttemptFailed(Instant now, int id);

  Action Next(Instant now);

 private:
  enum Side { kIpv6 = 0, kIpv4 = 1 };
  enum class State : uint8_t { kLive, kOver };

  // False for an id that isn't in flight.
  bool End(Instant now, int id);
  using Queues = std::deque<Address>[2];
  static bool Any(const Queues& queues) { return !queues[kIpv6].empty() || !queues[kIpv4].empty(); }
  bool AnythingQueued() const { return Any(queue_) || Any(avoided_); }
  // When the next queued address may be tried.
  Deadline NextStart() const;
  Action Start();
  Action AbortOrWin();

  const Options options_;
  Instant now_;
  bool answered_[2] = {false, false};
  Instant answered_at_[2];  // first
  Queues queue_;
  Queues avoided_;
  std::set<Address> seen_;
  Side turn_ = kIpv6;
  std::vector<State> attempts_;
  size_t live_ = 0;
  Deadline delay_over_ = Deadline::Past();  // the attempt delay since the last start
  int winner_ = -1;
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_HAPPY_EYEBALLS_H_
