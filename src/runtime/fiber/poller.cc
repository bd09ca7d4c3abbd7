#include "src/runtime/fiber/poller.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "absl/strings/str_cat.h"
#include "src/runtime/clock.h"
#include "src/runtime/fork.h"

namespace redial::runtime_internal {
namespace {

using internal::StdMutexLock;

// As few as half of a worker's batch: what the kernel and `Wait` touch of a connection is still in
// the cache when its fiber runs. Taking in 256 cost a round trip on 1000 connections a sixth more.
constexpr int kMostEvents = 512;
constexpr int64_t kNanosPerMilli = 1'000'000;

// After these a short read no longer means that the next byte will be an event of its own.
constexpr uint32_t kUnsteadyEvents = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;
constexpr uint32_t kReadEvents = EPOLLIN | kUnsteadyEvents;
constexpr uint32_t kWriteEvents = EPOLLOUT | EPOLLHUP | EPOLLERR;

}  // namespace

// One direction of a descriptor.
class Poller::Half final : public SourceRegistration {
 public:
  Half(Poller& poller, Entry& entry) : poller_(poller), entry_(entry) {}
  void Release() override { poller_.Release(*this); }

  Entry& entry() { return entry_; }
  Source* source = nullptr;
  // The source was set, and nobody has waited for it since: it needn't be set again. Only for
  // writing, where each wait follows a try.
  bool told = false;

 private:
  Poller& poller_;
  Entry& entry_;
};

struct Poller::Entry {
  Entry(Poller& poller, int number) : fd(number), read(poller, *this), write(poller, *this) {}
  const int fd;
  bool added = false;
  Half read;
  Half write;
};

Poller::Poller() : generation_(ForkGeneration()) {}

bool Poller::forked() const { return generation_ != ForkGeneration(); }

Poller::~Poller() {
  if (epoll_ >= 0) ::close(epoll_);
  if (wake_ >= 0) ::close(wake_);
}

absl::Status Poller::Open() {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ >= 0) wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;  // without a pointer: this is no entry
  if (wake_ >= 0 && ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) == 0) {
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("cannot make a fiber worker's event loop: ", ::strerrordesc_np(errno)));
}

void Poller::Close() {
  if (forked()) return;
  // Whoever took a registration before us is about to release it.
  while (!TakeAllBack()) ::sched_yield();
}

bool Poller::TakeAllBack() {
  const StdMutexLock lock(mu_);
  for (auto next = by_fd_.begin(); next != by_fd_.end();) {
    Entry& entry = *(next++)->second;  // Detach may erase it
    Half* const halves[] = {&entry.read, &entry.write};
    // Where both are watched, the first can't be what erases the entry.
    for (Half* half : halves) {
      const bool last = half == halves[1] || entry.write.source == nullptr;
      if (half->source != nullptr && half->source->TakeBack(half)) Detach(*half, false);
      if (last) break;
    }
  }
  return by_fd_.empty();
}

void Poller::Notify() {
  const uint64_t token = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_, &token, sizeof(token));
}

int Poller::WaitForEvents(epoll_event* events, std::optional<int64_t> nanos) {
  if (nanos == 0) return ::epoll_wait(epoll_, events, kMostEvents, 0);
  const timespec timeout = ToTimespec(nanos.value_or(0));
  const int n = ::epoll_pwait2(epoll_, events, kMostEvents, nanos ? &timeout : nullptr, nullptr);
  if (n >= 0 || errno != ENOSYS) return n;
  // Before Linux 5.11: milliseconds, rounded up.
  const int64_t millis =
      nanos ? std::min<int64_t>((*nanos - 1) / kNanosPerMilli + 1, std::numeric_limits<int>::max())
            : -1;
  return ::epoll_wait(epoll_, events, kMostEvents, static_cast<int>(millis));
}

size_t Poller::Wait(std::optional<int64_t> nanos) {
  epoll_event events[kMostEvents];
  const int n = WaitForEvents(events, nanos);
  if (n <= 0) return 0;
  const StdMutexLock lock(mu_);
  for (int i = 0; i < n; ++i) {
    // Entries and sources of thousands of connections are rarely in the cache.
    if (i + 4 < n) __builtin_prefetch(events[i + 4].data.ptr);
    if (i + 2 < n) PrefetchSource(events[i + 2].data.ptr);
    if (events[i].data.ptr != nullptr)
      Tell(*static_cast<Entry*>(events[i].data.ptr), events[i].events);
  }
  // None of these was in the kernel's set when it reported, or else they have just been passed over.
  released_.clear();
  return static_cast<size_t>(n);
}

void Poller::PrefetchSource(const void* entry) {
  if (entry == nullptr) return;
  const Source* const source = static_cast<const Entry*>(entry)->read.source;
  __builtin_prefetch(source, 1);
  __builtin_prefetch(reinterpret_cast<const char*>(source) + 64, 1);
  asm volatile("");  // or g++ finds that this does nothing, and calls of it are left out
}

void Poller::Tell(Entry& entry, uint32_t events) {
  if (Source* const source = entry.read.source; source != nullptr && (events & kReadEvents) != 0) {
    if ((events & kUnsteadyEvents) != 0) source->set_unsteady();
    source->Set();
  }
  Half& write = entry.write;
  if (write.source == nullptr || (events & kWriteEvents) == 0) return;
  if (write.told && (events & (EPOLLHUP | EPOLLERR)) == 0) return;
  write.told = true;
  write.source->Set();
}

void Poller::Renew(Source& source) {
  // Ours, and kept by the wait that pins the descriptor.
  if (source.kind() == Source::Kind::kWritable) {
    static_cast<Half*>(source.registration())->told = false;
  }
}

Poller::Watched Poller::Register(Source& source) {
  Half* half = nullptr;
  const Watched watched = Attach(source, half);
  if (watched != Watched::kYes) return watched;
  SourceRegistration* const old = source.SwapRegistration(half);
  if (old != nullptr) old->Release();
  if (!source.foreign()) source.set_watcher(this);
  return watched;
}

Poller::Watched Poller::Attach(Source& source, Half*& half) {
  const StdMutexLock lock(mu_);
  std::unique_ptr<Entry>& place = by_fd_[source.fd()];
  if (place == nullptr) place = std::make_unique<Entry>(*this, source.fd());
  Entry& entry = *place;
  half = source.kind() == Source::Kind::kReadable ? &entry.read : &entry.write;
  if (half->source != nullptr) return Watched::kNo;
  half->source = &source;
  half->told = false;
  const int error = Update(entry);
  if (error == 0) return Watched::kYes;
  half->source = nullptr;
  if (!entry.added) by_fd_.erase(source.fd());
  return error == EPERM || error == EBADF ? Watched::kAlwaysReady : Watched::kNo;
}

int Poller::Update(Entry& entry) {
  epoll_event event{};
  event.data.ptr = &entry;
  bool foreign = false;
  for (const Half* half : {&entry.read, &entry.write}) {
    if (half->source == nullptr) continue;
    event.events |= half == &entry.read ? EPOLLIN | EPOLLRDHUP | EPOLLPRI : EPOLLOUT;
    foreign = foreign || half->source->foreign();
  }
  if (!foreign) event.events |= EPOLLET;
  // Changing an entry also makes epoll report anew what is ready now, which nobody was there to be
  // told before.
  int operation = entry.added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (::epoll_ctl(epoll_, operation, entry.fd, &event) == 0) {
    entry.added = true;
    return 0;
  }
  // Somebody closed a foreign descriptor, or a duplicate of it keeps the old number registered.
  if (errno != ENOENT && errno != EEXIST) return errno;
  operation = errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (::epoll_ctl(epoll_, operation, entry.fd, &event) != 0) return errno;
  entry.added = true;
  return 0;
}

void Poller::Unwatch(Source& source) {
  SourceRegistration* const registration = source.SwapRegistration(nullptr);
  if (registration != nullptr) registration->Release();
}

void Poller::Release(Half& half) {
  // A thread that the child doesn't have may have held the lock.
  if (forked()) return;
  const StdMutexLock lock(mu_);
  // Level-triggered, what nobody waits for would be reported without end.
  Detach(half, half.source->foreign());
}

void Poller::Rest(Source& source) {
  if (source.watcher() != this || forked()) return;
  auto* const half = static_cast<Half*>(source.SwapRegistration(nullptr));
  if (half == nullptr) return;
  const StdMutexLock lock(mu_);
  Detach(*half, true);
}

void Poller::Detach(Half& half, bool updated) {
  half.source->Unwatched(this);
  half.source = nullptr;
  Entry& entry = half.entry();
  if (entry.read.source != nullptr || entry.write.source != nullptr) {
    if (updated) Update(entry);
    return;
  }
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, entry.fd, nullptr);
  const auto found = by_fd_.find(entry.fd);
  released_.push_back(std::move(found->second));
  by_fd_.erase(found);
}

size_t Poller::watched() {
  const StdMutexLock lock(mu_);
  return by_fd_.size();
}

}  // namespace redial::runtime_internal
