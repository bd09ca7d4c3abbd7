// A worker whose fibers wait for the kernel: edge-triggered epoll for redial's descriptors,
// level-triggered for foreign ones.
#ifndef REDIAL_TESTS_CONFORMANCE_EPOLL_LOOP_H_
#define REDIAL_TESTS_CONFORMANCE_EPOLL_LOOP_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "redial/source.h"
#include "redial/time.h"
#include "tests/conformance/fiber_scheduler.h"

namespace redial::conformance {

// Two loops that are each other's neighbours each have a thread of their own.
class EpollLoop final : public FiberScheduler {
 public:
  EpollLoop();
  ~EpollLoop() override;

  void set_neighbour(EpollLoop& neighbour) { neighbour_ = &neighbour; }
  Instant Now() override;
  // How many descriptors it watches.
  size_t watched();

 protected:
  void Idle(Deadline deadline) override;
  void Notify() override;
  FiberScheduler& Neighbour() override { return *neighbour_; }
  void Watch(Source& source) override;
  void Unwatch(Source& source) override;

 private:
  class Half;
  struct Entry;

  Entry& EntryOf(int fd);
  void Update(Entry& entry);
  void Release(Half& half);
  void Handle(uint64_t id, uint32_t events);

  const int epoll_;
  const int wake_;
  EpollLoop* neighbour_ = this;

  // Held while an event is told to its source, so that a Release that has returned is the end of
  // it.
  std::mutex mu_;
  uint64_t next_id_ = 1;  // tells a descriptor from an earlier one of the same number; 0 is wake_
  std::map<uint64_t, std::unique_ptr<Entry>> entries_;
  std::map<int, Entry*> by_fd_;
};

}  // namespace redial::conformance

#endif  // REDIAL_TESTS_CONFORMANCE_EPOLL_LOOP_H_
