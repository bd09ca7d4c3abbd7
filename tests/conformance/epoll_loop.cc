#include "tests/conformance/epoll_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdlib>

namespace redial::conformance {
namespace {

constexpr uint32_t kReadEvents = EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
constexpr uint32_t kWriteEvents = EPOLLOUT | EPOLLHUP | EPOLLERR;
constexpr int64_t kNanosPerSecond = 1'000'000'000;

}  // namespace

// One direction of a descriptor.
class EpollLoop::Half final : public SourceRegistration {
 public:
  Half(EpollLoop& loop, Entry& entry) : SourceRegistration(&loop), loop_(loop), entry_(entry) {}
  void Release() override { loop_.Release(*this); }

  Entry& entry() { return entry_; }
  Source* source = nullptr;

 private:
  EpollLoop& loop_;
  Entry& entry_;
};

struct EpollLoop::Entry {
  Entry(EpollLoop& loop, int number, uint64_t identity)
      : fd(number), id(identity), read(loop, *this), write(loop, *this) {}
  const int fd;
  const uint64_t id;
  bool added = false;
  Half read;
  Half write;
};

EpollLoop::EpollLoop()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = 0;
  if (epoll_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) != 0) std::abort();
}

EpollLoop::~EpollLoop() {
  ::close(epoll_);
  ::close(wake_);
}

Instant EpollLoop::Now() { return Runtime::Threads().Now(); }

size_t EpollLoop::watched() {
  std::lock_guard lock(mu_);
  return entries_.size();
}

void EpollLoop::Notify() {
  const uint64_t token = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_, &token, sizeof(token));
}

void EpollLoop::Idle(Deadline deadline) {
  timespec timeout{};
  if (!deadline.is_past() && !deadline.is_never() && !deadline.expired(Now())) {
    const int64_t nanos = NanosBetween(Now(), deadline.instant());
    if (nanos > 0) timeout = {nanos / kNanosPerSecond, nanos % kNanosPerSecond};
  }
  epoll_event events[64];
  const int n =
      ::epoll_pwait2(epoll_, events, 64, deadline.is_never() ? nullptr : &timeout, nullptr);
  for (int i = 0; i < n; ++i) Handle(events[i].data.u64, events[i].events);
}

void EpollLoop::Handle(uint64_t id, uint32_t events) {
  if (id == 0) {
    uint64_t tokens;
    [[maybe_unused]] const ssize_t taken = ::read(wake_, &tokens, sizeof(tokens));
    return;
  }
  std::lock_guard lock(mu_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;  // released since the kernel reported it
  Entry& entry = *found->second;
  if (entry.read.source != nullptr && (events & kReadEvents) != 0) entry.read.source->Set();
  if (entry.write.source != nullptr && (events & kWriteEvents) != 0) entry.write.source->Set();
}

void EpollLoop::Watch(Source& source) {
  SourceRegistration* const before = source.registration();
  if (before != nullptr && before->loop() == this) return;
  Half* half = nullptr;
  {
    std::lock_guard lock(mu_);
    Entry& entry = EntryOf(source.fd());
    half = source.kind() == Source::Kind::kReadable ? &entry.read : &entry.write;
    half->source = &source;
    // Also when only the other direction was watched: changing an entry makes epoll report anew
    // what is ready now, which nobody was there to be told before.
    Update(entry);
  }
  SourceRegistration* const old = source.SwapRegistration(half);
  if (old != nullptr) old->Release();
}

void EpollLoop::Unwatch(Source& source) {
  SourceRegistration* const registration = source.SwapRegistration(nullptr);
  if (registration != nullptr) registration->Release();
}

EpollLoop::Entry& EpollLoop::EntryOf(int fd) {
  Entry*& entry = by_fd_[fd];
  if (entry == nullptr) {
    const uint64_t id = next_id_++;
    auto owned = std::make_unique<Entry>(*this, fd, id);
    entry = owned.get();
    entries_.emplace(id, std::move(owned));
  }
  return *entry;
}

void EpollLoop::Update(Entry& entry) {
  epoll_event event{};
  event.data.u64 = entry.id;
  bool foreign = false;
  for (Half* half : {&entry.read, &entry.write}) {
    if (half->source == nullptr) continue;
    event.events |= half == &entry.read ? EPOLLIN | EPOLLRDHUP : EPOLLOUT;
    foreign = foreign || half->source->foreign();
  }
  if (!foreign) event.events |= EPOLLET;
  const int operation = entry.added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (::epoll_ctl(epoll_, operation, entry.fd, &event) != 0) std::abort();
  entry.added = true;
}

void EpollLoop::Release(Half& half) {
  std::lock_guard lock(mu_);
  half.source = nullptr;
  Entry& entry = half.entry();
  if (entry.read.source != nullptr || entry.write.source != nullptr) return;
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, entry.fd, nullptr);
  by_fd_.erase(entry.fd);
  const uint64_t id = entry.id;  // the entry goes, and `half` with it
  entries_.erase(id);
}

}  // namespace redial::conformance
