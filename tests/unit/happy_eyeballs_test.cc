#include "src/net/happy_eyeballs.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "redial/address.h"
#include "redial/time.h"

namespace redial::internal {
namespace {

using Type = HappyEyeballs::Action::Type;
constexpr auto kIpv4 = Address::Family::kIpv4;
constexpr auto kIpv6 = Address::Family::kIpv6;

// "a" to "f" for IPv4, in capitals for IPv6.
std::vector<Address> Named(const std::string& names) {
  std::vector<Address> addresses;
  for (const char name : names) {
    const auto number = static_cast<uint8_t>(name);
    addresses.push_back(
        name < 'a'
            ? Address::Ipv6({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, number}, 80)
            : Address::Ipv4({192, 0, 2, number}, 80));
  }
  return addresses;
}
char NameOf(const Address& address) {
  return static_cast<char>(address.bytes()[address.family() == kIpv6 ? 15 : 3]);
}

// A dial in virtual time: look-ups answer and addresses behave as told, and all that the machine
// does is written down, a line each.
class Dial {
 public:
  explicit Dial(HappyEyeballs::Options options = {}) : machine_(std::move(options)) {}
  // One that tries these last.
  static HappyEyeballs::Options Avoiding(const std::string& names) {
    return {.avoid = Named(names)};
  }

  // At `ms`, the look-up of `family` answers with these.
  void Answer(int ms, Address::Family family, const std::string& names) {
    At(ms, [this, family, found = Named(names)] { machine_.Answered(now_, family, found); });
  }
  void Connects(char name, int after_ms) { behaviour_[name] = {after_ms, true}; }
  void Fails(char name, int after_ms) { behaviour_[name] = {after_ms, false}; }

  // What the machine did until it was over or would wait for ever.
  std::string Run() {
    for (;;) {
      const std::optional<Deadline> wait = Drain();
      if (!wait.has_value()) return trace_;
      Deadline next = *wait;
      if (!script_.empty()) next = Earlier(next, Deadline(script_.begin()->first));
      if (next.is_never()) {
        Write("waits for ever");
        return trace_;
      }
      now_ = next.instant();
      if (!script_.empty() && script_.begin()->first == now_) {
        const auto event = script_.begin()->second;
        script_.erase(script_.begin());
        event();
      }
    }
  }

 private:
  struct Behaviour {
    int after_ms = -1;  // never
    bool connects = false;
  };

  void At(int ms, std::function<void()> event) {
    script_.emplace(Instant() + absl::Milliseconds(ms), std::move(event));
  }
  void Write(const std::string& what) {
    absl::StrAppend(&trace_, absl::ToInt64Milliseconds(now_ - Instant()), " ", what, "\n");
  }

  // When to go on; nullopt once it is over.
  std::optional<Deadline> Drain() {
    for (;;) {
      const auto action = machine_.Next(now_);
      switch (action.type) {
        case Type::kStart:
          Start(action.id, NameOf(action.address));
          break;
        case Type::kAbort:
          Write(absl::StrCat("abort ", names_[action.id]));
          break;
        case Type::kWaitUntil:
          return action.until;
        case Type::kWon:
          Write(absl::StrCat("won ", names_[action.id]));
          return std::nullopt;
        case Type::kFailed:
          Write("failed");
          return std::nullopt;
      }
    }
  }
  void Start(int id, char name) {
    names_[id] = std::string(1, name);
    Write(absl::StrCat("start ", names_[id]));
    const Behaviour& behaviour = behaviour_[name];
    if (behaviour.after_ms < 0) return;
    const Instant at = now_ + absl::Milliseconds(behaviour.after_ms);
    script_.emplace(at, [this, id, connects = behaviour.connects] {
      if (connects) {
        machine_.Connected(now_, id);
      } else {
        machine_.AttemptFailed(now_, id);
      }
    });
  }

  HappyEyeballs machine_;
  Instant now_;
  std::multimap<Instant, std::function<void()>> script_;
  std::map<char, Behaviour> behaviour_;
  std::map<int, std::string> names_;
  std::string trace_;
};

// RFC 8305, section 3: with the IPv6 answer there, nobody waits for the other.
TEST(HappyEyeballs, StartsAtOnceWithTheIpv6Answer) {
  Dial dial;
  dial.Answer(3, kIpv6, "A");
  dial.Answer(40, kIpv4, "a");
  dial.Connects('A', 20);
  EXPECT_EQ(dial.Run(), "3 start A\n23 won A\n");
}

TEST(HappyEyeballs, AnIpv4AnswerWaitsForTheIpv6OneAndYieldsToIt) {
  Dial dial;
  dial.Answer(3, kIpv4, "a");
  dial.Answer(52, kIpv6, "A");
  dial.Connects('A', 20);
  EXPECT_EQ(dial.Run(), "52 start A\n72 won A\n");
}

TEST(HappyEyeballs, AnIpv4AnswerWaitsNoLongerThanTheResolutionDelay) {
  Dial dial;
  dial.Answer(3, kIpv4, "a");
  dial.Connects('a', 20);
  EXPECT_EQ(dial.Run(), "53 start a\n73 won a\n");
}

TEST(HappyEyeballs, AnIpv6LookUpThatFailsEndsTheResolutionDelay) {
  Dial dial;
  dial.Answer(3, kIpv4, "a");
  dial.Answer(10, kIpv6, "");
  dial.Connects('a', 20);
  EXPECT_EQ(dial.Run(), "10 start a\n30 won a\n");
}

// Section 4: families interleaved, IPv6 first, each in the order of its answer.
TEST(HappyEyeballs, InterleavesTheFamilies) {
  Dial dial;
  dial.Answer(0, kIpv4, "ab");
  dial.Answer(0, kIpv6, "ABC");
  EXPECT_EQ(
      dial.Run(),
      "0 start A\n250 start a\n500 start B\n750 start b\n1000 start C\n1000 waits for ever\n");
}

// Section 3: what arrives after the first attempt joins the list, and the family that hasn't been
// tried is next.
TEST(HappyEyeballs, MergesALateAnswer) {
  Dial dial;
  dial.Answer(0, kIpv4, "abc");
  dial.Answer(100, kIpv6, "AB");
  dial.Connects('c', 1);
  EXPECT_EQ(dial.Run(),
            "50 start a\n300 start A\n550 start b\n800 start B\n1050 start c\n"
            "1051 abort a\n1051 abort A\n1051 abort b\n1051 abort B\n1051 won c\n");
}

TEST(HappyEyeballs, ALateAnswerStartsAtOnceWhenTheDelayIsOver) {
  Dial dial;
  dial.Answer(0, kIpv4, "a");
  dial.Answer(400, kIpv6, "A");
  dial.Connects('A', 5);
  EXPECT_EQ(dial.Run(), "50 start a\n400 start A\n405 abort a\n405 won A\n");
}

TEST(HappyEyeballs, ALateAnswerIsStillWaitedForWhenAllElseFailed) {
  Dial dial;
  dial.Answer(0, kIpv4, "a");
  dial.Answer(400, kIpv6, "A");
  dial.Fails('a', 1);
  dial.Connects('A', 5);
  EXPECT_EQ(dial.Run(), "50 start a\n400 start A\n405 won A\n");
}

// Section 5.
TEST(HappyEyeballs, AFailureStartsTheNextAtOnce) {
  Dial dial;
  dial.Answer(0, kIpv4, "ab");
  dial.Answer(0, kIpv6, "A");
  dial.Fails('A', 1);
  dial.Fails('a', 30);
  dial.Connects('b', 2);
  EXPECT_EQ(dial.Run(), "0 start A\n1 start a\n31 start b\n33 won b\n");
}

TEST(HappyEyeballs, TheDelayCountsFromTheLastStart) {
  Dial dial;
  dial.Answer(0, kIpv4, "ab");
  dial.Answer(0, kIpv6, "A");
  dial.Fails('A', 100);
  EXPECT_EQ(dial.Run(), "0 start A\n100 start a\n350 start b\n350 waits for ever\n");
}

TEST(HappyEyeballs, TheFirstToConnectWinsAndTheOthersAreAborted) {
  Dial dial;
  dial.Answer(0, kIpv4, "ab");
  dial.Answer(0, kIpv6, "A");
  dial.Connects('A', 600);
  dial.Connects('a', 300);
  EXPECT_EQ(dial.Run(),
            "0 start A\n250 start a\n500 start b\n550 abort A\n550 abort b\n550 won a\n");
}

TEST(HappyEyeballs, FailsWhenNobodyFoundAnything) {
  Dial dial;
  dial.Answer(2, kIpv4, "");
  dial.Answer(7, kIpv6, "");
  EXPECT_EQ(dial.Run(), "7 failed\n");
}

TEST(HappyEyeballs, TriesAnAddressThatIsThereTwiceOnce) {
  Dial dial;
  dial.Answer(0, kIpv4, "aba");
  dial.Answer(0, kIpv6, "AA");
  dial.Fails('A', 0);
  dial.Fails('a', 0);
  dial.Fails('b', 0);
  EXPECT_EQ(dial.Run(), "0 start A\n0 start a\n0 start b\n0 failed\n");
}

TEST(HappyEyeballs, TakesTheDelaysFromItsOptions) {
  Dial dial({.attempt_delay = absl::Milliseconds(10), .resolution_delay = absl::ZeroDuration()});
  dial.Answer(0, kIpv4, "ab");
  EXPECT_EQ(dial.Run(), "0 start a\n10 start b\n10 waits for ever\n");
}

// That there are these ("a" to "f"), and no other.
void AnswerBoth(HappyEyeballs& machine, Instant now, const std::string& ipv4) {
  machine.Answered(now, kIpv6, {});
  machine.Answered(now, kIpv4, Named(ipv4));
}

TEST(HappyEyeballs, IgnoresLateDuplicateAndUnknownResults) {
  HappyEyeballs machine({});
  const Instant now;
  AnswerBoth(machine, now, "a");
  ASSERT_EQ(machine.Next(now).type, Type::kStart);
  machine.AttemptFailed(now, 7);
  machine.AttemptFailed(now, -1);
  EXPECT_EQ(machine.Next(now).type, Type::kWaitUntil);
  machine.Connected(now, 0);
  machine.AttemptFailed(now, 0);
  machine.Connected(now, 0);
  EXPECT_EQ(machine.Next(now).type, Type::kWon);
  EXPECT_EQ(machine.Next(now).id, 0);
}

TEST(HappyEyeballs, OfTwoThatConnectTheFirstReportedWins) {
  HappyEyeballs machine({});
  Instant now;
  AnswerBoth(machine, now, "ab");
  ASSERT_EQ(machine.Next(now).type, Type::kStart);
  now = now + absl::Milliseconds(250);
  ASSERT_EQ(machine.Next(now).type, Type::kStart);
  machine.Connected(now, 1);
  machine.Connected(now, 0);
  const auto action = machine.Next(now);
  EXPECT_EQ(action.type, Type::kWon);
  EXPECT_EQ(action.id, 1);
}

TEST(HappyEyeballs, ItsClockNeverRunsBackwards) {
  HappyEyeballs machine({});
  const Instant late = Instant() + absl::Seconds(9);
  machine.Answered(late, kIpv6, {});
  machine.Answered(Instant(), kIpv4, Named("ab"));
  ASSERT_EQ(machine.Next(Instant()).type, Type::kStart);
  EXPECT_EQ(machine.Next(Instant()).until, Deadline(late + absl::Milliseconds(250)));
}

// The cases of curl's tests/unit/unit2600.c: attempts a family and what they amount to. curl counts
// attempts and bounds the time; here the whole trace stands.
struct CurlCase {
  int number;
  std::string ipv4;
  std::string ipv6;
  int attempt_delay_ms;
  int fails_after_ms;
  std::string trace;
};

class CurlUnit2600 : public testing::TestWithParam<CurlCase> {};

TEST_P(CurlUnit2600, Trace) {
  const CurlCase& test = GetParam();
  Dial dial({.attempt_delay = absl::Milliseconds(test.attempt_delay_ms),
             .resolution_delay = absl::Milliseconds(50)});
  dial.Answer(0, kIpv4, test.ipv4);
  dial.Answer(0, kIpv6, test.ipv6);
  for (const char name : test.ipv4 + test.ipv6) dial.Fails(name, test.fails_after_ms);
  EXPECT_EQ(dial.Run(), test.trace);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, CurlUnit2600,
    testing::Values(
        CurlCase{1, "a", "", 150, 250, "0 start a\n250 failed\n"},
        CurlCase{2, "ab", "", 150, 250, "0 start a\n150 start b\n400 failed\n"},
        CurlCase{3, "", "A", 150, 250, "0 start A\n250 failed\n"},
        CurlCase{4, "", "AB", 150, 250, "0 start A\n150 start B\n400 failed\n"},
        CurlCase{5, "a", "A", 150, 250, "0 start A\n150 start a\n400 failed\n"},
        // 7 and 8 restrict the family, which leaves the other look-up without an answer.
        CurlCase{7, "a", "", 150, 500, "0 start a\n500 failed\n"},
        CurlCase{8, "", "A", 150, 500, "0 start A\n500 failed\n"},
        CurlCase{9, "a", "ABC", 50, 400,
                 "0 start A\n50 start a\n100 start B\n150 start C\n550 failed\n"}),
    [](const auto& tested) { return absl::StrCat("Case", tested.param.number); });

TEST(HappyEyeballs, TriesThoseToAvoidLast) {
  Dial dial(Dial::Avoiding("Aa"));
  dial.Answer(0, kIpv6, "AB");
  dial.Answer(0, kIpv4, "ab");
  for (const char name : {'A', 'B', 'a', 'b'}) dial.Fails(name, 1);
  EXPECT_EQ(dial.Run(), "0 start B\n1 start b\n2 start A\n3 start a\n4 failed\n");
}

TEST(HappyEyeballs, WithNothingElseTriesWhatIsToBeAvoided) {
  Dial dial(Dial::Avoiding("a"));
  dial.Answer(0, kIpv6, "");
  dial.Answer(0, kIpv4, "a");
  dial.Connects('a', 5);
  EXPECT_EQ(dial.Run(), "0 start a\n5 won a\n");
}

// The other family may have a better one.
TEST(HappyEyeballs, AnAddressToAvoidWaitsForTheOtherFamily) {
  Dial dial(Dial::Avoiding("A"));
  dial.Answer(3, kIpv6, "A");
  dial.Answer(40, kIpv4, "a");
  dial.Connects('a', 5);
  EXPECT_EQ(dial.Run(), "40 start a\n45 won a\n");
}

TEST(HappyEyeballs, AnAddressToAvoidWaitsNoLongerThanTheResolutionDelay) {
  Dial dial(Dial::Avoiding("A"));
  dial.Answer(3, kIpv6, "A");
  dial.Connects('A', 5);
  EXPECT_EQ(dial.Run(), "53 start A\n58 won A\n");
}

// It is a wish: an address that doesn't answer isn't waited for longer than any other.
TEST(HappyEyeballs, WhatIsToBeAvoidedIsTriedWhileTheOthersHang) {
  Dial dial(Dial::Avoiding("a"));
  dial.Answer(0, kIpv6, "");
  dial.Answer(0, kIpv4, "ab");
  dial.Connects('a', 5);
  EXPECT_EQ(dial.Run(), "0 start b\n250 start a\n255 abort b\n255 won a\n");
}

}  // namespace
}  // namespace redial::internal
