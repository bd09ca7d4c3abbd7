// Where hedges go: not where the attempts are that they run beside, nor where one has failed.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "redial/call.h"
#include "redial/client.h"
#include "redial/failure.h"
#include "redial/listener.h"
#include "redial/policy_set.h"
#include "redial/socket.h"
#include "tests/conformance/hedging_body.h"

namespace redial::conformance {
namespace {

class HedgingElsewhere : public Hedging {
 protected:
  // As many listeners of one port as `hosts`, at the addresses of "many.test".
  std::vector<Listener> ListenAtEach(int hosts) {
    std::vector<Listener> listeners;
    for (int i = 1; i <= hosts; ++i) {
      listeners.push_back(
          ListenOn(world().Host(i), listeners.empty() ? 0 : listeners.front().local().port()));
      world().names().Add("many.test", world().Host(i));
    }
    return listeners;
  }
  static Client ClientOf(uint16_t port, PolicyPtr hedge, const DialOptions& dial = Options()) {
    auto client = Client::Create(TargetOf("many.test", port), {std::move(hedge)}, {.dial = dial});
    EXPECT_EQ(client.status(), absl::OkStatus());
    return *std::move(client);
  }
  // Saves up for a second hedge.
  static void SaveUp(const PolicyPtr& hedge) {
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(Call(Idempotent(), Set({hedge}), [] { return absl::OkStatus(); }),
                absl::OkStatus());
    }
  }
};

// Source: Envoy, hedging with previous_hosts: another host than those that were tried.
CONFORM(HedgingElsewhere, AHedgeGoesWhereTheSlowOneIsNot) {
  const std::vector<Listener> listeners = ListenAtEach(2);
  Address first;
  const absl::StatusOr<Address> second =
      ClientOf(listeners.front().local().port(), Soon())
          .Call(Idempotent(),
                [&](Socket& socket, const Attempt& attempt) -> absl::StatusOr<Address> {
                  if (attempt.kind() == AttemptKind::kHedge) return socket.peer();
                  first = socket.peer();
                  return Hang(attempt);
                });
  ASSERT_EQ(second.status(), absl::OkStatus());
  EXPECT_NE(*second, first);
}

// Source: include/redial/policies/hedge.h: it is a wish.
CONFORM(HedgingElsewhere, WithOneAddressAHedgeGoesThereToo) {
  const std::vector<Listener> listeners = ListenAtEach(1);
  const absl::StatusOr<Address> second =
      ClientOf(listeners.front().local().port(), Soon())
          .Call(Idempotent(),
                [&](Socket& socket, const Attempt& attempt) -> absl::StatusOr<Address> {
                  if (attempt.kind() == AttemptKind::kHedge) return socket.peer();
                  return Hang(attempt);
                });
  EXPECT_EQ(second.value_or(Address()), listeners.front().local());
}

// Source: RFC 8305, section 5: an address that doesn't answer holds up nobody.
CONFORM(HedgingElsewhere, AHedgeGoesWhereNobodyIsConnecting) {
  Listener listener = Listen();
  const auto dead = world().MakeBlackHole(Address::Family::kIpv6, listener.local().port());
  const std::string host = dead->address().HostString();
  world().names().Add("many.test", host.substr(1, host.size() - 2));
  world().names().Add("many.test", world().Host(1));
  DialOptions dial = Options();
  dial.attempt_delay = absl::Seconds(2);
  const absl::StatusOr<AttemptKind> winner =
      ClientOf(listener.local().port(), Soon(), dial)
          .Call(Idempotent(), [](Socket&, const Attempt& attempt) -> absl::StatusOr<AttemptKind> {
            return attempt.kind();
          });
  EXPECT_EQ(winner.value_or(AttemptKind::kFirst), AttemptKind::kHedge) << winner.status();
}

// Source: include/redial/policies/retry.h (distinct_endpoint): nor where an attempt has failed.
CONFORM(HedgingElsewhere, ASecondHedgeAvoidsBothTheSlowAndTheFailed) {
  const std::vector<Listener> listeners = ListenAtEach(3);
  const PolicyPtr hedge = Soon(2);
  SaveUp(hedge);
  Address slow;
  Address failed;
  const absl::StatusOr<Address> third =
      ClientOf(listeners.front().local().port(), hedge)
          .Call(Idempotent(),
                [&](Socket& socket, const Attempt& attempt) -> absl::StatusOr<Address> {
                  if (attempt.number() == 3) return socket.peer();
                  if (attempt.number() == 1) {
                    slow = socket.peer();
                    return Hang(attempt);
                  }
                  failed = socket.peer();
                  return WithFailure(absl::UnavailableError("reset"), {.phase = Phase::kRead});
                });
  ASSERT_EQ(third.status(), absl::OkStatus());
  EXPECT_NE(failed, slow);
  EXPECT_NE(*third, slow);
  EXPECT_NE(*third, failed);
}

// Source: include/redial/policies/hedge.h: nor where another hedge is.
CONFORM(HedgingElsewhere, TwoHedgesGoToTwoAddresses) {
  const std::vector<Listener> listeners = ListenAtEach(3);
  const PolicyPtr hedge = Soon(2);
  SaveUp(hedge);
  std::array<Address, 3> peers;
  EXPECT_EQ(ClientOf(listeners.front().local().port(), hedge)
                .Call(Idempotent(),
                      [&](Socket& socket, const Attempt& attempt) -> absl::Status {
                        peers[static_cast<size_t>(attempt.number() - 1)] = socket.peer();
                        return attempt.number() == 3 ? absl::OkStatus() : Hang(attempt);
                      }),
            absl::OkStatus());
  EXPECT_NE(peers[1], peers[0]);
  EXPECT_NE(peers[2], peers[0]);
  EXPECT_NE(peers[2], peers[1]);
}

// Source: include/redial/attempt.h: a hedge's stays as it is while the call goes on.
CONFORM(HedgingElsewhere, AHedgeKnowsWhoFailedBeforeItStarted) {
  const PolicyPtr hedge = Soon(2);
  SaveUp(hedge);
  std::atomic<size_t> before = 0;
  std::atomic<size_t> after = 0;
  const absl::StatusOr<std::string> which =
      Call(Idempotent(), Set({hedge}), [&](const Attempt& attempt) -> absl::StatusOr<std::string> {
        if (attempt.number() == 1) {
          Sleep(3 * kDelay);
          return absl::UnavailableError("late");
        }
        if (attempt.number() == 2) return absl::UnavailableError("early");
        before = attempt.failed()->size();
        Sleep(6 * kDelay);
        after = attempt.failed()->size();
        return attempt.failed()->empty() ? "nobody" : attempt.failed()->front().detail;
      });
  EXPECT_EQ(which.value_or("nothing"), "early") << which.status();
  EXPECT_EQ(before, 1U);
  EXPECT_EQ(after, 1U);
}

}  // namespace
}  // namespace redial::conformance
