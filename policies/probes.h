// The places of a half-open breaker's probes: so many may be out at a time, each on a lease. A probe
// that hasn't reported when its lease is over gives its place to another, and what it reports after
// that is nobody's.
//
//   Probes probes;
//   uint64_t serial = probes.Take(now, lease_end);
//   bool counts = probes.Return(serial);
//
// Needs outside locking.
#ifndef REDIAL_POLICIES_PROBES_H_
#define REDIAL_POLICIES_PROBES_H_

#include <algorithm>
#include <array>
#include <cstdint>

#include "redial/time.h"

namespace redial::internal {

class Probes {
 public:
  static constexpr int kMost = 64;

  // How many are out and still on their lease.
  int Out(Instant now) const {
    return static_cast<int>(std::count_if(out_.begin(), out_.begin() + size_,
                                          [&](const Lease& l) { return !l.end.expired(now); }));
  }
  // Fewer than `kMost` are out.
  uint64_t Take(Instant now, Deadline lease_end) {
    const auto end = std::remove_if(out_.begin(), out_.begin() + size_,
                                    [&](const Lease& l) { return l.end.expired(now); });
    size_ = static_cast<int>(end - out_.begin());
    out_[static_cast<size_t>(size_++)] = {++last_serial_, lease_end};
    return last_serial_;
  }
  // False for one that has lost its place.
  bool Return(uint64_t serial) {
    for (int i = 0; i < size_; ++i) {
      if (out_[static_cast<size_t>(i)].serial != serial) continue;
      out_[static_cast<size_t>(i)] = out_[static_cast<size_t>(--size_)];
      return true;
    }
    return false;
  }
  // None is out any more; serials go on.
  void Clear() { size_ = 0; }

 private:
  struct Lease {
    uint64_t serial = 0;
    Deadline end;
  };
  std::array<Lease, kMost> out_;
  int size_ = 0;
  uint64_t last_serial_ = 0;
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_PROBES_H_
