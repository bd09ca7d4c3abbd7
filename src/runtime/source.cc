#include "redial/source.h"

#include <sched.h>

#include <cassert>
#include <mutex>

#include "redial/descriptor.h"

namespace redial {

void BriefLock::LockSlow() {
  do ::sched_yield();
  while (taken_.exchange(true, std::memory_order_acquire));
}

Source::~Source() {
  assert(head_ == nullptr && "a source was destroyed while somebody waited for it");
  assert(registration() == nullptr && "a source was destroyed that an event loop still watches");
}

void Source::Set() {
  // Waking under the lock keeps the waiters alive: EndWait detaches under the same lock.
  std::lock_guard lock(mu_);
  latched_ = true;
  for (WaitNode* node = head_; node != nullptr; node = node->next) node->waiter->Wake();
}

bool Source::BeginWait(WaitNode& node) {
  node.pinned = descriptor_ != nullptr && descriptor_->Pin();
  std::lock_guard lock(mu_);
  node.prev = nullptr;
  node.next = head_;
  if (head_ != nullptr) head_->prev = &node;
  head_ = &node;
  // Looked at after attaching, under the lock that Set holds: a Set is either seen here or sees the
  // node.
  return ConsumeLocked();
}

void Source::DetachLocked(WaitNode& node) {
  (node.prev != nullptr ? node.prev->next : head_) = node.next;
  if (node.next != nullptr) node.next->prev = node.prev;
}

bool Source::ConsumeAndEndWait(WaitNode& node) {
  bool ready = false;
  {
    std::lock_guard lock(mu_);
    DetachLocked(node);
    ready = ConsumeLocked();
  }
  if (node.pinned) descriptor_->Unpin();
  return ready;
}

void Source::EndWait(WaitNode& node, bool reported) {
  {
    std::lock_guard lock(mu_);
    DetachLocked(node);
    if (reported) latched_ = false;
  }
  // Outside the lock: the last one out closes the descriptor.
  if (node.pinned) descriptor_->Unpin();
}

bool Source::Consume() {
  std::lock_guard lock(mu_);
  return ConsumeLocked();
}

bool Source::ConsumeLocked() {
  // Close latches too, but one latch ends one wait, and a closed descriptor ends all.
  if (!latched_) return descriptor_ != nullptr && descriptor_->closed();
  latched_ = false;
  return true;
}

}  // namespace redial
