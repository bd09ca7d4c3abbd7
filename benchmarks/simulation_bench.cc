// simulated_round_trip: what it costs to simulate 64 bytes there and back.
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "benchmarks/load.h"
#include "benchmarks/suite.h"
#include "redial/dial.h"
#include "redial/listener.h"
#include "redial/testing/simulation.h"

namespace redial::benchmarks {
namespace {

constexpr int kCpu = 0;
constexpr int kPort = 7;

void Echo() {
  auto listener = Listener::Listen(*Address::Parse(absl::StrCat("0.0.0.0:", kPort)));
  if (!listener.ok()) std::abort();
  auto peer = listener->Accept();
  if (!peer.ok()) return;
  for (char buffer[kRoom];;) {
    const auto n = peer->Read(buffer);
    if (!n.ok() || *n == 0 || !peer->Write({buffer, *n}).ok()) return;
  }
}

// As in a load of fibers: every read has a limit.
void GoRound(const std::string& server, Window& window) {
  auto socket = Dial(*Target::Parse(absl::StrCat("tcp://", server, ":", kPort)));
  if (!socket.ok() || !socket->set_operation_timeout(absl::Seconds(kReadSeconds)).ok()) {
    std::abort();
  }
  char buffer[kRoom] = {};
  do {
    if (!socket->Write({buffer, kTripSize}).ok()) std::abort();
    for (size_t done = 0; done < kTripSize;) {
      const auto n = socket->Read(absl::MakeSpan(buffer + done, kRoom - done));
      if (!n.ok() || *n == 0) std::abort();
      done += *n;
    }
  } while (window.GoOn());
}

// Half of the hosts are servers, each with a client of its own.
Measured TimeRoundTrips(int hosts, long trips) {
  PinTo(kCpu);
  Window window(hosts / 2, trips);
  testing::Simulation sim(/*seed=*/1);
  for (int i = 0; i < hosts / 2; ++i) {
    const std::string server = absl::StrCat("server", i);
    sim.AddHost(server).Serve("echo", Echo);
    sim.AddHost(absl::StrCat("client", i)).Run("ask", [server, &window] {
      GoRound(server, window);
    });
  }
  if (!sim.Run().ok()) std::abort();
  return {window.nanos_per_trip()};
}

}  // namespace

void AddSimulationBenchmarks(Suite& suite) {
  suite.Add({.name = "simulated_round_trip",
             .ours = [] { return TimeRoundTrips(2, 50000); },
             .bound = {.most = 1000}});
  suite.Add({.name = "simulated_round_trip_1000_hosts",
             .ours = [] { return TimeRoundTrips(1000, 50000); },
             .bound = {.most = 2000}});
}

}  // namespace redial::benchmarks
