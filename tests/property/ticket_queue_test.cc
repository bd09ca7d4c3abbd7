// TicketQueue against a model that is a plain list: permits are conserved, served first in, first
// out, never to one that is passed over; whoever a permit is set aside for is woken.

#include "redial/ticket.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "tests/support/law_kit.h"

namespace redial::testing {
namespace {

using State = Ticket::State;
constexpr uint32_t kTickets = 6;

class Owner final : public WakeSource {
 public:
  Owner() { ticket.set_wake_source(this); }
  std::shared_ptr<WakeTarget> wake_target() override {
    struct Target final : WakeTarget {
      explicit Target(Owner& o) : owner(o) {}
      void Wake() override { ++owner.woken; }
      Owner& owner;
    };
    return std::make_shared<Target>(*this);
  }

  Ticket ticket;
  int woken = 0;
  bool holds = false;  // a permit that was claimed, and neither unclaimed nor launched
};

class Model {
 public:
  explicit Model(uint64_t seed)
      : choices_(seed), permits_(1 + choices_.Below(3)), free_(permits_) {}

  void Play() {
    for (int i = 0; i < 60; ++i) {
      Step();
      Check();
    }
    for (Owner& owner : owners_) Vanish(owner);
    while (running_ > 0) Finish();
    Check();
    EXPECT_EQ(free_, permits_);
    EXPECT_EQ(queue_.size(), 0u);
  }

 private:
  void Step() {
    Owner& owner = owners_[choices_.Below(kTickets)];
    switch (choices_.Below(6)) {
      case 0:
      case 1:
        Claim(owner);
        break;
      case 2:
        if (owner.holds) Unclaim(owner);
        break;
      case 3:
        if (!owner.holds) {
          Wakeups wake;
          queue_.Park(owner.ticket, free_, wake);
        }
        break;
      case 4:
        if (owner.holds) {
          Launch(owner);
        } else {
          Vanish(owner);
        }
        break;
      default:
        if (running_ > 0) Finish();
    }
  }

  void Claim(Owner& owner) {
    if (owner.holds) return;
    const bool served = MayBeServed(owner);
    const int woken = owner.woken;
    {
      Wakeups wake;
      owner.holds = queue_.Claim(owner.ticket, free_, wake);
    }
    EXPECT_EQ(owner.holds, served);
    EXPECT_EQ(owner.woken, woken) << "who claims needs no wake-up";
    if (std::find(line_.begin(), line_.end(), &owner) == line_.end() &&
        owner.ticket.state() != State::kOut) {
      line_.push_back(&owner);
    }
  }

  // A permit that is free serves whoever claims it, for then nobody else waits; one that was set
  // aside serves its ticket.
  bool MayBeServed(const Owner& owner) const {
    return owner.ticket.state() == State::kOffered || free_ > 0;
  }

  void Unclaim(Owner& owner) {
    Wakeups wake;
    queue_.Unclaim(owner.ticket, free_, wake);
    owner.holds = false;
    EXPECT_EQ(owner.ticket.state(), State::kParked);
    if (std::find(line_.begin(), line_.end(), &owner) == line_.end()) line_.push_back(&owner);
  }

  void Launch(Owner& owner) {
    ++running_;
    owner.holds = false;
    LeaveLine(owner);
  }

  void Vanish(Owner& owner) {
    if (owner.holds) Unclaim(owner);
    LeaveLine(owner);
  }

  void LeaveLine(Owner& owner) {
    Wakeups wake;
    queue_.Leave(owner.ticket, free_, wake);
    line_.erase(std::remove(line_.begin(), line_.end(), &owner), line_.end());
  }

  // A permit comes back: the first in line that waits gets it, and is woken.
  void Finish() {
    Owner* next = nullptr;
    for (Owner* owner : line_) {
      if (next == nullptr && owner->ticket.state() == State::kWaiting) next = owner;
    }
    const int woken = next == nullptr ? 0 : next->woken;
    {
      Wakeups wake;
      --running_;
      ++free_;
      queue_.Offer(free_, wake);
    }
    if (next == nullptr) return;
    EXPECT_EQ(next->ticket.state(), State::kOffered);
    EXPECT_EQ(next->woken, woken + 1);
  }

  void Check() {
    size_t waiting = 0;
    int64_t offered = 0;
    int64_t held = 0;
    for (const Owner& owner : owners_) {
      if (owner.ticket.state() == State::kWaiting) ++waiting;
      if (owner.ticket.state() == State::kOffered) ++offered;
      if (owner.holds) ++held;
    }
    EXPECT_EQ(queue_.waiting(), waiting);
    EXPECT_EQ(queue_.size(), line_.size());
    EXPECT_EQ(free_ + offered + held + running_, permits_);
    EXPECT_TRUE(free_ == 0 || waiting == 0) << "a permit is free while a ticket waits";
  }

  SeededChoices choices_;
  const int64_t permits_;
  int64_t free_;
  int64_t running_ = 0;
  TicketQueue queue_;
  std::array<Owner, kTickets> owners_;
  std::vector<Owner*> line_;  // in the order in which they came
};

TEST(TicketQueue, ServesInOrderAndLosesNoPermit) {
  for (uint64_t seed = 0; seed < 20'000; ++seed) {
    Model(seed).Play();
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace redial::testing
