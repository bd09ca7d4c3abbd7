// fibers_N: a round trip on N connections, all at once, by one core.
//
// The near end has a processor to itself and the echo server the other one. On one processor the
// server's share would be in both figures and hide half of the difference. The two are almost equally
// busy, since nearly all of a round trip is the kernel's work, and it does the same for both. A single
// connection is the exception: there the two take turns anyhow, and on two processors the time would
// be that of waking an idle one.
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "benchmarks/part.h"
#include "benchmarks/suite.h"

namespace redial::benchmarks {
namespace {

constexpr int kCpu = 0;
constexpr int kServerCpu = 1;

// A load in a process of its own, and the echo server that only it uses.
class Side {
 public:
  Side(const std::string& role, int connections)
      : server_({.role = "server", .cpu = connections == 1 ? kCpu : kServerCpu}),
        load_({.role = role,
               .cpu = kCpu,
               .port = std::stoi(server_.Ask("port")),
               .connections = connections}) {
    load_.Ask("start");
  }

  Measured Run(long trips) {
    const std::string answer = load_.Ask(absl::StrCat("run ", trips));
    Measured measured;
    if (std::sscanf(answer.c_str(), "%lf %*f %lf", &measured.value, &measured.system_calls) != 2) {
      Die("the load gave no figures");
    }
    return measured;
  }

  // Bytes for each connection that waits.
  Measured Hold(int connections) {
    const double before = load_.Memory();
    load_.Ask("hold");
    return {.value = (load_.Memory() - before) / connections};
  }

 private:
  Part server_;
  Part load_;
};

// The sides of one number of connections: those of another are ended first.
class Stage {
 public:
  Side& For(const std::string& role, int connections) {
    if (connections != connections_) sides_.clear();
    connections_ = connections;
    std::unique_ptr<Side>& side = sides_[role];
    if (side == nullptr) side = std::make_unique<Side>(role, connections);
    return *side;
  }

 private:
  int connections_ = 0;
  std::map<std::string, std::unique_ptr<Side>> sides_;
};

struct Peer {
  const char* suffix;
  const char* role;
  const char* name;
  bool bounded;
  // Of 10000 threads each round takes a while.
  int most_repetitions = 1000;
};

constexpr Peer kPeers[] = {
    {"", "asio", "Asio callbacks, timers", true},
    {"_asio_coro", "asio_coro", "Asio coroutines, timers", true},
    {"_asio_lazy", "asio_lazy", "Asio, timers left behind", false},
    {"_threads", "threads", "a thread each, ppoll", false, 5},
};

double MostRatio(int connections) {
  if (connections == 1000) return 0.87;
  return connections == 10000 ? 0.91 : 0;
}

void AddRoundTrips(Suite& suite, const std::shared_ptr<Stage>& stage, int connections) {
  // At 10000 a run begins with 20000 round trips that don't count, and 50000 more would still be its
  // beginning: five for each connection.
  const long trips = connections == 1 ? 10000 : std::max(50000L, 20L * connections);
  const auto run = [=](const char* role, long count) -> Run {
    return [=] { return stage->For(role, connections).Run(count); };
  };
  for (const Peer& peer : kPeers) {
    const bool threads = peer.role == std::string("threads");
    suite.Add({.name = absl::StrCat("fibers_", connections, peer.suffix),
               .peer = peer.name,
               .ours = run("fibers", trips),
               .peer_run = run(peer.role, threads ? std::max(10000L, long{connections}) : trips),
               .bound = {.ratio = peer.bounded ? MostRatio(connections) : 0},
               .most_repetitions = peer.most_repetitions});
  }
}

void AddMemory(Suite& suite, int connections) {
  const auto hold = [connections](const char* role) -> Run {
    return [=] { return Side(role, connections).Hold(connections); };
  };
  for (const Peer& peer : kPeers) {
    if (peer.role == std::string("asio_lazy")) continue;
    suite.Add({.name = absl::StrCat("fibers_", connections, peer.suffix, "_memory"),
               .peer = peer.name,
               .ours = hold("fibers"),
               .peer_run = hold(peer.role),
               .bound = {.most = 16 * 1024},
               .unit = "bytes",
               .most_repetitions = 3});
  }
}

}  // namespace

void AddFiberBenchmarks(Suite& suite) {
  auto stage = std::make_shared<Stage>();
  for (const int connections : {1, 100, 1000, 10000}) AddRoundTrips(suite, stage, connections);
  AddMemory(suite, 10000);
}

}  // namespace redial::benchmarks
