// Makes calls of every kind on a network that is scripted, and prints what Prometheus would scrape.
#include <prometheus/text_serializer.h>

#include <iostream>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "redial/prometheus.h"
#include "redial/redial.h"
#include "redial/testing/fake_network.h"

namespace {

absl::StatusOr<std::string> Ping(const redial::Client& client) {
  return client.Call({.operation = "PING", .timeout = absl::Seconds(2), .idempotent = true},
                     [](redial::Socket& socket) -> absl::StatusOr<std::string> {
                       if (auto sent = socket.Write("PING\r\n"); !sent.ok()) return sent;
                       return socket.ReadUntil("\r\n", {.max_bytes = 512});
                     });
}

// A user's own, with what a careless one would say.
class Careless final : public redial::Policy {
 public:
  Careless() : Policy({.name = "9 Lives (Ünïcode)"}) {}
  void Measure(absl::FunctionRef<void(const redial::Gauge&)> visit) const override {
    visit({.name = "lives-left %", .value = std::numeric_limits<double>::infinity()});
    visit({.name = "Naps_total", .value = 0.1, .counts_up = true});
    visit({.name = "mood", .value = 1, .state = "a \"state\"\nwith \\ in it"});
  }
};

// One of each policy that has a state and that the calls below don't need. What the timeout learns it
// doesn't know yet, so that two of its gauges are NaN and one is +Inf.
redial::PolicyList TheOthers() {
  return {redial::Bulkhead(),
          redial::RateLimit({.rate = 3}),
          redial::AdaptiveLimit(),
          redial::AdaptiveThrottle(),
          redial::Hedge({.delay = absl::Milliseconds(10)}),
          redial::Chaos({.i_know_this_breaks_calls = true, .error_probability = 1}),
          redial::AttemptTimeout({.quantile = 0.99})};
}

int Expose() {
  redial::testing::FakeNetwork net;
  net.Script("tcp://cache:6379")
      .Accept()
      .Expect("PING\r\n")
      .ReplySlowly("+PONG\r\n", absl::Milliseconds(1))
      .Refuse()
      .Accept()
      .Expect("PING\r\n")
      .Reply("+PONG\r\n")
      .Refuse()
      .Refuse();
  auto breaker = redial::CircuitBreaker(
      {.label = "cache \"one\"", .failure_ratio = 0.6, .minimum_throughput = 3});
  auto metrics = redial::Metrics();
  redial::PrometheusCollector collector;
  std::vector<redial::Client> clients;
  for (const char* name : {"first", "second"}) {
    auto client = redial::Client::Create(
        "tcp://cache:6379",
        {redial::Retry(), redial::RetryBudget({.initial_tokens = 5}), breaker, metrics,
         redial::Metrics(), redial::Metrics(), std::make_shared<Careless>()},
        {.network = net});
    if (!client.ok() ||
        !collector.Add(client->policies(), {{"client", name}, {"zone", "a\\b\n\"c\""}}).ok()) {
      return 2;
    }
    clients.push_back(*client);
  }
  if (!Ping(clients[0]).ok() || !Ping(clients[1]).ok()) return 3;
  // The breaker opens at the second refusal in a row, and refuses the next call at once.
  if (Ping(clients[0]).ok() || Ping(clients[1]).ok()) return 4;
  const auto others = redial::PolicySet::Create(TheOthers());
  if (!others.ok() || !collector.Add(*others).ok()) return 5;
  if (redial::Call({}, *others, [] { return absl::OkStatus(); }).ok()) return 6;
  prometheus::TextSerializer().Serialize(std::cout, collector.Collect());
  return 0;
}

}  // namespace

int main() { return Expose(); }
