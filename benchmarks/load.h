// The near end of the benchmarks of many connections: each sends 64 bytes to the echo server and
// reads them back within a limit, over and over, all at once on one core.
#ifndef REDIAL_BENCHMARKS_LOAD_H_
#define REDIAL_BENCHMARKS_LOAD_H_

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace redial::benchmarks {

inline constexpr size_t kTripSize = 64;
inline constexpr size_t kRoom = 512;  // what a read may take: a client doesn't know what will come
inline constexpr int kReadSeconds = 60;   // the limit of each read
inline constexpr int kHoldSeconds = 600;  // of the reads that `Hold` leaves waiting

// The middle of a run: from when every connection has gone round to when so many round trips more
// are done, so that neither starting nor ending counts. Safe between threads.
class Window {
 public:
  Window(long connections, long trips) : opens_(2 * connections), closes_(opens_ + trips) {}

  // After each round trip: whether this connection may go on.
  bool GoOn() {
    // Relaxed: it only counts, and threads are joined before anybody looks at the rest.
    const long done = done_.fetch_add(1, std::memory_order_relaxed) + 1;
    if (done == opens_) Open();
    if (done == closes_) Close();
    return done < closes_;
  }

  double nanos_per_trip() const { return nanos_ / trips(); }
  // What the process was on the processor for.
  double cpu_nanos_per_trip() const { return cpu_nanos_ / trips(); }
  // Of one thread, unless `set_calls_per_trip`.
  double calls_per_trip() const { return calls_per_trip_; }
  void set_calls_per_trip(double calls) { calls_per_trip_ = calls; }
  // Including those outside.
  long done() const { return done_.load(std::memory_order_relaxed); }

 private:
  double trips() const { return static_cast<double>(closes_ - opens_); }
  void Open();
  void Close();

  const long opens_;
  const long closes_;
  std::atomic<long> done_{0};
  double nanos_ = 0;
  double cpu_nanos_ = 0;
  double calls_per_trip_ = 0;
};

// One way of having many connections. Used by one thread.
class Load {
 public:
  virtual ~Load() = default;
  virtual void Run(Window& window) = 0;
  // Lets every connection go round once and then wait, timed, for what doesn't come. Calls `held`
  // once all of them wait; what it does afterwards nobody looks at.
  virtual void Hold(const std::function<void()>& held) = 0;
};

// Takes so many connections to a port of loopback, as a user of redial does.
std::unique_ptr<Load> MakeFiberLoad(int port, int connections);
// Take the connected descriptors over.
std::unique_ptr<Load> MakeAsioLoad(const std::vector<int>& fds);
std::unique_ptr<Load> MakeLazyAsioLoad(const std::vector<int>& fds);
std::unique_ptr<Load> MakeAsioCoroutineLoad(const std::vector<int>& fds);
std::unique_ptr<Load> MakeThreadLoad(const std::vector<int>& fds);

}  // namespace redial::benchmarks

#endif  // REDIAL_BENCHMARKS_LOAD_H_
