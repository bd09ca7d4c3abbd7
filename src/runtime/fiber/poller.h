// What one worker watches in the kernel: an epoll instance, and an eventfd that ends its wait.
#ifndef REDIAL_SRC_RUNTIME_FIBER_POLLER_H_
#define REDIAL_SRC_RUNTIME_FIBER_POLLER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "absl/status/status.h"
#include "redial/source.h"
#include "src/core/mutex.h"

struct epoll_event;

namespace redial::runtime_internal {

// A descriptor of redial's is registered edge-triggered when one of its sources is first waited
// for, and stays so until it closes or another loop takes it over; one of somebody else's,
// level-triggered, for the length of the wait. Events that the kernel had reported before a
// registration was released find an entry without sources, which is kept until they have been
// handled.
//
// Wait, Watch and Unwatch belong to the worker's thread; releases and Notify come from any. In a
// process that was forked nothing is changed, since the epoll instance is the parent's too.
class Poller {
 public:
  enum class Watched : uint8_t {
    kYes,
    kAlwaysReady,  // what epoll doesn't take: regular files, numbers that aren't open
    kNo,           // no memory for it, or two wait for the same of a foreign descriptor
  };

  Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  ~Poller();  // after Close

  // kResourceExhausted.
  absl::Status Open();
  // Takes all registrations back.
  void Close();
  Watched Watch(Source& source) {
    if (source.watcher() == this) [[likely]] {
      Renew(source);
      return Watched::kYes;
    }
    return Register(source);
  }
  void Unwatch(Source& source);
  // Takes back the registration of one that is pinned, and that nobody waits for.
  void Rest(Source& source);

  // Until an event, a Notify, or so many nanoseconds have passed; sets the sources that are ready.
  // How many events there were.
  size_t Wait(std::optional<int64_t> nanos);
  void Notify();

  size_t watched();
  // The process was forked since this was made.
  bool forked() const;

 private:
  class Half;
  struct Entry;

  static void Renew(Source& source);
  Watched Register(Source& source);
  Watched Attach(Source& source, Half*& half);
  int Update(Entry& entry);
  void Release(Half& half);
  // What is left of an entry is still told of what it no longer asks for, unless it is `updated`:
  // who closes a descriptor is spared that.
  void Detach(Half& half, bool updated) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool TakeAllBack();
  int WaitForEvents(epoll_event* events, std::optional<int64_t> nanos);
  static void PrefetchSource(const void* entry);
  static void Tell(Entry& entry, uint32_t events);

  int epoll_ = -1;
  int wake_ = -1;
  const uint32_t generation_;

  // Held while sources are told of their events, so that a release that has returned is the end of
  // it.
  internal::StdMutex mu_;
  std::unordered_map<int, std::unique_ptr<Entry>> by_fd_ ABSL_GUARDED_BY(mu_);
  // Released since the last events came in.
  std::vector<std::unique_ptr<Entry>> released_ ABSL_GUARDED_BY(mu_);
};

}  // namespace redial::runtime_internal

#endif  // REDIAL_SRC_RUNTIME_FIBER_POLLER_H_
