// A thread for each connection, written by hand: `send`, `ppoll` with what is left of the limit,
// `recv`. Stacks are as small as that allows.
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "benchmarks/load.h"
#include "benchmarks/part.h"
#include "benchmarks/suite.h"

namespace redial::benchmarks {
namespace {

constexpr size_t kStackSize = 64 * 1024;

void Write(int fd, const char* buffer) {
  if (send(fd, buffer, kTripSize, MSG_NOSIGNAL) != static_cast<ssize_t>(kTripSize)) std::abort();
}

void Read(int fd, char* buffer, int seconds) {
  const double deadline = NowNanos() + seconds * 1e9;
  for (size_t done = 0; done < kTripSize;) {
    const auto left = static_cast<int64_t>(deadline - NowNanos());
    if (left <= 0) std::abort();
    const timespec timeout{left / 1000000000, left % 1000000000};
    pollfd one{fd, POLLIN, 0};
    if (ppoll(&one, 1, &timeout, nullptr) <= 0) std::abort();
    const ssize_t n = recv(fd, buffer + done, kRoom - done, 0);
    if (n <= 0) std::abort();
    done += static_cast<size_t>(n);
  }
}

class ThreadLoad final : public Load {
 public:
  explicit ThreadLoad(const std::vector<int>& fds) : fds_(fds) {}

  void Run(Window& window) override {
    std::atomic<long> calls{0};
    OnEach([&](int fd) {
      const long before = CountedCalls();
      char buffer[kRoom] = {};
      do {
        Write(fd, buffer);
        Read(fd, buffer, kReadSeconds);
      } while (window.GoOn());
      calls += CountedCalls() - before;
    }).Join();
    window.set_calls_per_trip(static_cast<double>(calls) / static_cast<double>(window.done()));
  }

  void Hold(const std::function<void()>& held) override {
    std::atomic<size_t> there{0};
    auto threads = OnEach([&](int fd) {
      char buffer[kRoom] = {};
      Write(fd, buffer);
      Read(fd, buffer, kReadSeconds);
      ++there;
      Read(fd, buffer, kHoldSeconds);
    });
    while (there < fds_.size()) PauseMilliseconds(10);
    PauseMilliseconds(100);
    held();
    threads.Join();
  }

 private:
  static void PauseMilliseconds(int milliseconds) { poll(nullptr, 0, milliseconds); }

  // Threads that begin together, once all of them are there.
  class Threads {
   public:
    Threads(const std::vector<int>& fds, std::function<void(int)> body) : body_(std::move(body)) {
      pthread_rwlock_wrlock(&gate_);
      pthread_attr_t attributes;
      pthread_attr_init(&attributes);
      pthread_attr_setstacksize(&attributes, kStackSize);
      starts_.reserve(fds.size());
      for (const int fd : fds) {
        starts_.push_back({this, fd});
        pthread_t thread;
        errno = pthread_create(&thread, &attributes, Body, &starts_.back());
        if (errno != 0) Die("pthread_create");
        threads_.push_back(thread);
      }
      pthread_attr_destroy(&attributes);
      pthread_rwlock_unlock(&gate_);
    }
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;
    void Join() {
      for (const pthread_t thread : threads_) pthread_join(thread, nullptr);
    }

   private:
    struct Start {
      Threads* threads;
      int fd;
    };
    static void* Body(void* argument) {
      const auto* start = static_cast<Start*>(argument);
      pthread_rwlock_rdlock(&start->threads->gate_);
      pthread_rwlock_unlock(&start->threads->gate_);
      start->threads->body_(start->fd);
      return nullptr;
    }

    const std::function<void(int)> body_;
    pthread_rwlock_t gate_ = PTHREAD_RWLOCK_INITIALIZER;
    std::vector<Start> starts_;
    std::vector<pthread_t> threads_;
  };
  Threads OnEach(std::function<void(int)> body) { return Threads(fds_, std::move(body)); }

  const std::vector<int> fds_;
};

}  // namespace

std::unique_ptr<Load> MakeThreadLoad(const std::vector<int>& fds) {
  return std::make_unique<ThreadLoad>(fds);
}

}  // namespace redial::benchmarks
