// One wait's places in the lists of its sources.
#ifndef REDIAL_SRC_RUNTIME_FIBER_ATTACHMENT_H_
#define REDIAL_SRC_RUNTIME_FIBER_ATTACHMENT_H_

#include <cstddef>

#include "absl/types/span.h"
#include "redial/source.h"
#include "src/runtime/fiber/fiber.h"
#include "src/runtime/fiber/poller.h"

namespace redial::runtime_internal {

// Lives on the stack of the fiber that waits, which must let go of it.
class Attachment {
 public:
  static constexpr int kNone = -3;  // no index, and none of Runtime's results

  // Attaches to each source, or to as many as it takes to find one that is ready. `nodes` are the
  // caller's, one for each, since a wait for one thing must be spared the room of many.
  Attachment(Fiber& fiber, Poller& poller, absl::Span<Source* const> sources, WaitNode* nodes);
  Attachment(const Attachment&) = delete;
  Attachment& operator=(const Attachment&) = delete;

  // The index of the source that is ready, or kNone.
  int ready() const { return ready_; }
  // Looks at the latches. Lets go of an only source, which saves taking its lock once more.
  int Look();
  // As Look, but stays attached, or is so again.
  int LookAgain();
  // A source that the kernel can't watch, or kNone: it must be looked at every now and then.
  int unwatched() const { return unwatched_; }
  void Detach();

 private:
  void Watch(Poller& poller);

  // The common case: a wait for one thing, whose registration stays.
  bool single() const { return sources_.size() == 1 && !sources_[0]->foreign(); }

  Fiber& fiber_;
  Poller& poller_;
  const absl::Span<Source* const> sources_;
  WaitNode* const nodes_;
  size_t attached_ = 0;
  int ready_ = kNone;
  int unwatched_ = kNone;
};

}  // namespace redial::runtime_internal

#endif  // REDIAL_SRC_RUNTIME_FIBER_ATTACHMENT_H_
