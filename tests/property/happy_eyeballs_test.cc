// Random scripts of answers and outcomes: what holds for every one of them.
#include "src/net/happy_eyeballs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "absl/time/time.h"
#include "redial/address.h"
#include "redial/time.h"

namespace redial::internal {
namespace {

using Action = HappyEyeballs::Action;
using Type = Action::Type;

constexpr absl::Duration kAttemptDelay = absl::Milliseconds(250);
constexpr absl::Duration kResolutionDelay = absl::Milliseconds(50);
constexpr auto kIpv4 = Address::Family::kIpv4;
constexpr auto kIpv6 = Address::Family::kIpv6;

// Drives a machine with one seed's script and checks it at every step.
class Script {
 public:
  explicit Script(uint32_t seed)
      : random_(seed),
        machine_({.attempt_delay = kAttemptDelay,
                  .resolution_delay = kResolutionDelay,
                  .avoid = Avoided(seed)}) {}

  void Run() {
    ipv4_at_ = Random(0, 400);
    ipv6_at_ = Random(0, 400);
    for (int step = 0; step < 1000 && !over_; ++step) {
      Drain();
      if (over_) break;
      Step();
    }
    EXPECT_TRUE(over_) << "it ends";
    EXPECT_EQ(live_.size(), 0U) << "what is in flight was aborted";
    if (won_.has_value()) return;
    EXPECT_TRUE(answered_ipv4_ && answered_ipv6_);
    EXPECT_EQ(started_.size(), known_.size()) << "it fails only when every address was tried";
  }

 private:
  int Random(int from, int to) { return std::uniform_int_distribution<int>(from, to)(random_); }

  // None, or some of those that may come.
  static std::vector<Address> Avoided(uint32_t seed) {
    std::vector<Address> avoided;
    for (uint8_t last = 1; last <= seed % 4; ++last) {
      avoided.push_back(Address::Ipv4({192, 0, 2, last}, 80));
    }
    return avoided;
  }
  std::vector<Address> Addresses(Address::Family family) {
    std::vector<Address> addresses;
    for (int n = Random(0, 5); n > 0; --n) {
      const auto last = static_cast<uint8_t>(Random(1, 6));  // the same one may come twice
      addresses.push_back(
          family == kIpv4
              ? Address::Ipv4({192, 0, 2, last}, 80)
              : Address::Ipv6({0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last}, 80));
    }
    known_.insert(addresses.begin(), addresses.end());
    return addresses;
  }

  // One event, or the passing of time.
  void Step() {
    if (!answered_ipv4_ && now_ >= At(ipv4_at_)) {
      answered_ipv4_ = true;
      return machine_.Answered(now_, kIpv4, Addresses(kIpv4));
    }
    if (!answered_ipv6_ && now_ >= At(ipv6_at_)) {
      answered_ipv6_ = true;
      return machine_.Answered(now_, kIpv6, Addresses(kIpv6));
    }
    const int choice = Random(0, 9);
    if (choice < 3 && !live_.empty()) return EndOne(/*connects=*/choice == 0 && Random(0, 2) == 0);
    if (choice == 3) return SpuriousResult();
    now_ = now_ + absl::Milliseconds(Random(0, 120));
  }

  // Of an attempt that is over, or never was.
  void SpuriousResult() {
    const int id = Random(-2, 40);
    if (live_.contains(id)) return;
    if (Random(0, 1) == 0) {
      machine_.AttemptFailed(now_, id);
    } else {
      machine_.Connected(now_, id);
    }
  }

  void EndOne(bool connects) {
    const int id = *std::next(live_.begin(), Random(0, static_cast<int>(live_.size()) - 1));
    live_.erase(id);
    if (connects) {
      won_ = id;
      machine_.Connected(now_, id);
    } else {
      failed_since_start_ = true;
      machine_.AttemptFailed(now_, id);
    }
  }

  void Drain() {
    for (;;) {
      const Action action = machine_.Next(now_);
      switch (action.type) {
        case Type::kStart:
          CheckStart(action);
          break;
        case Type::kAbort:
          EXPECT_EQ(live_.erase(action.id), 1U) << "only what is in flight is aborted";
          EXPECT_TRUE(won_.has_value());
          break;
        case Type::kWaitUntil:
          EXPECT_FALSE(action.until.expired(now_)) << "it waits for what is to come";
          EXPECT_TRUE(!action.until.is_never() || !live_.empty() || !answered_ipv4_ ||
                      !answered_ipv6_)
              << "it waits for ever only if an event is to come";
          return;
        case Type::kWon:
          EXPECT_EQ(action.id, won_);
          over_ = true;
          return;
        case Type::kFailed:
          EXPECT_FALSE(won_.has_value());
          EXPECT_TRUE(live_.empty());
          over_ = true;
          return;
      }
    }
  }

  void CheckStart(const Action& action) {
    EXPECT_FALSE(won_.has_value()) << "nothing starts after a success";
    EXPECT_EQ(static_cast<size_t>(action.id), started_.size());
    EXPECT_TRUE(known_.contains(action.address));
    EXPECT_TRUE(started_.insert(action.address).second) << "each address is tried once";
    if (last_start_.has_value() && !failed_since_start_) {
      EXPECT_GE(now_ - *last_start_, kAttemptDelay) << "no two starts closer than the delay";
    }
    if (!last_start_.has_value() && action.address.family() == kIpv4 && !answered_ipv6_) {
      EXPECT_GE(now_, At(ipv4_at_) + kResolutionDelay) << "IPv4 waits for the IPv6 answer";
    }
    last_start_ = now_;
    failed_since_start_ = false;
    live_.insert(action.id);
  }

  static Instant At(int ms) { return Instant() + absl::Milliseconds(ms); }

  std::mt19937 random_;
  HappyEyeballs machine_;
  Instant now_;
  int ipv4_at_ = 0;
  int ipv6_at_ = 0;
  bool answered_ipv4_ = false;
  bool answered_ipv6_ = false;
  std::set<Address> known_;
  std::set<Address> started_;
  std::set<int> live_;
  std::optional<Instant> last_start_;
  bool failed_since_start_ = false;
  std::optional<int> won_;
  bool over_ = false;
};

TEST(HappyEyeballsProperty, HoldsForRandomScripts) {
  for (uint32_t seed = 0; seed < 20000; ++seed) {
    SCOPED_TRACE(seed);
    Script(seed).Run();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace redial::internal
