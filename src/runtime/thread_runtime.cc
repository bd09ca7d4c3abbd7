#include "src/runtime/thread_runtime.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>

#include "absl/container/inlined_vector.h"
#include "src/runtime/clock.h"
#include "src/runtime/parker.h"

namespace redial {
namespace runtime_internal {
namespace {

// How long a wait that nothing can wake goes without a look at its latches.
constexpr int64_t kSliceNanos = 10'000'000;
constexpr size_t kInlineSources = 8;
constexpr int kNoneReady = -3;

pollfd ToPoll(const Source& source) {
  const short events = source.kind() == Source::Kind::kWritable ? POLLOUT : POLLIN;
  return {source.fd(), events, 0};  // ppoll skips an event's fd, -1
}

// Linux lets a wait end late, so that several end at once: by a thousandth of its time, and by no
// less than the thread's timer slack, 50 us unless somebody has set it. Mostly it ends at the late end
// of that. See docs/decisions/waits-ask-for-less.md.
int64_t LessSlack(int64_t nanos) {
  constexpr int64_t kLeast = 50'000;
  constexpr int64_t kMost = 100'000'000;
  const int64_t less = nanos - std::clamp(nanos / 1000, kLeast, kMost);
  return less > 0 ? less : nanos;
}

// Without a time: for as long as it takes.
int CallPpoll(pollfd* polls, size_t count, std::optional<int64_t> nanos) {
  const timespec timeout = ToTimespec(nanos.value_or(0));
  return ::ppoll(polls, count, nanos ? &timeout : nullptr, nullptr);
}

// One wait's places in the lists of its sources, and the set for ppoll: first the parker, then a
// place for each source.
class PollSet {
 public:
  PollSet(Parker& parker, absl::Span<Source* const> sources) : parker_(parker), sources_(sources) {
    nodes_.resize(sources.size());
    polls_.reserve(sources.size() + 1);
    polls_.push_back({parker.fd(), POLLIN, 0});
    for (; attached_ < sources.size() && result_ == kNoneReady; ++attached_) {
      Source& source = *sources[attached_];
      nodes_[attached_].waiter = &parker;
      polls_.push_back(ToPoll(source));
      if (source.BeginWait(nodes_[attached_])) result_ = static_cast<int>(attached_);
    }
  }
  PollSet(const PollSet&) = delete;
  PollSet& operator=(const PollSet&) = delete;

  ~PollSet() {
    for (size_t i = 0; i < attached_; ++i) {
      sources_[i]->EndWait(nodes_[i], result_ == static_cast<int>(i));
    }
    parker_.Settle();
  }

  // The source that is ready, or kNoneReady.
  int result() const { return result_; }

  // Waits in the kernel, and looks what happened. Returns early for a signal or a wake-up.
  void Poll(std::optional<int64_t> nanos) {
    // Without a descriptor of its own, a wait can't be woken.
    bool deaf = parker_.fd() < 0 && !sources_.empty();
    if (deaf) nanos = std::min(nanos.value_or(kSliceNanos), kSliceNanos);
    int ready = CallPpoll(polls_.data(), polls_.size(), nanos);
    if (ready < 0 && errno != EINTR) {
      ready = PollEach(std::min(nanos.value_or(kSliceNanos), kSliceNanos));
      deaf = true;
    }
    if (ready > 0) FindReadyDescriptor();
    if (result_ != kNoneReady) return;
    const bool woken = ready > 0 && polls_[0].revents != 0;
    if (woken || parker_.fd() < 0) parker_.Drain();
    if (woken || deaf) FindLatch();
  }

 private:
  // When the kernel has no memory for the whole set, or the process may hardly hold descriptors any
  // more (ppoll takes no more than RLIMIT_NOFILE): one at a time, then a pause.
  int PollEach(int64_t nanos) {
    int ready = 0;
    for (pollfd& poll : polls_) {
      poll.revents = 0;
      if (poll.fd >= 0) ready += std::max(CallPpoll(&poll, 1, 0), 0);
    }
    if (ready == 0) CallPpoll(nullptr, 0, nanos);
    return ready;
  }

  void FindReadyDescriptor() {
    for (size_t i = 0; i < sources_.size(); ++i) {
      if (polls_[i + 1].revents == 0) continue;
      result_ = static_cast<int>(i);
      return;
    }
  }

  void FindLatch() {
    for (size_t i = 0; i < sources_.size(); ++i) {
      if (!sources_[i]->Consume()) continue;
      result_ = static_cast<int>(i);
      return;
    }
  }

  Parker& parker_;
  const absl::Span<Source* const> sources_;
  absl::InlinedVector<WaitNode, kInlineSources> nodes_;
  absl::InlinedVector<pollfd, kInlineSources + 1> polls_;
  size_t attached_ = 0;
  int result_ = kNoneReady;
};

struct WakeOnStop {
  Parker* parker;
  void operator()() const noexcept { parker->Wake(); }
};

}  // namespace

Instant ThreadRuntime::Now() { return MonotonicNow(); }

int ThreadRuntime::DoWait(Instant now, absl::Span<Source* const> sources, Deadline deadline,
                          const std::stop_token& stop) {
  Parker& parker = Parker::OfThisThread();
  parker.Open();
  PollSet set(parker, sources);
  if (set.result() != kNoneReady) return set.result();

  // After the set, so that it is gone, and done with the parker, before the set settles it.
  std::optional<std::stop_callback<WakeOnStop>> on_stop;
  if (stop.stop_possible()) on_stop.emplace(stop, WakeOnStop{&parker});
  for (;;) {
    if (on_stop && stop.stop_requested()) return kStopped;
    std::optional<int64_t> nanos;
    if (!deadline.is_never()) nanos = LessSlack(NanosBetween(now, deadline.instant()));
    set.Poll(nanos);
    if (set.result() != kNoneReady) return set.result();
    if (deadline.is_never()) continue;
    // Asked of the clock, not of ppoll: a signal or a wake-up may have cut it short, and what is
    // left must be counted anew.
    now = Now();
    if (deadline.expired(now)) return kTimedOut;
  }
}

}  // namespace runtime_internal

Runtime& Runtime::Threads() {
  // Never destroyed: a thread may still wait while the process exits.
  static Runtime& runtime = *new runtime_internal::ThreadRuntime;
  return runtime;
}

}  // namespace redial
