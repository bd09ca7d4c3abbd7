// Equal seeds, equal traces: in one process, in two, and from every compiler.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <climits>
#include <cstdint>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "redial/redial.h"
#include "redial/testing/simulation.h"

namespace redial::testing {
namespace {

void Sleep(absl::Duration time) {
  Runtime& runtime = Runtime::Current();
  runtime.SleepUntil(Deadline::After(runtime.Now(), time), {});
}

// Echoes lines, each connection in a fiber of its own.
void EchoLines() {
  auto listener = Listener::Listen(*Address::Parse("0.0.0.0:7"));
  if (!listener.ok()) return;
  std::vector<Task> tasks;
  for (;;) {
    auto peer = listener->Accept();
    if (!peer.ok()) return;
    auto socket = std::make_shared<Socket>(*std::move(peer));
    auto task = Runtime::Current().Spawn([socket] {
      for (;;) {
        const auto line = socket->ReadUntil("\n");
        if (!line.ok() || !socket->Write(*line).ok()) return;
      }
    });
    if (task.ok()) tasks.push_back(*std::move(task));
  }
}

void AskForLines(int client_number) {
  const auto client = Client::Create("tcp://server:7", {Retry({.max_attempts = 5})});
  for (int k = 0; k < 40; ++k) {
    const std::string line =
        absl::StrCat(std::string(static_cast<size_t>(k * client_number), 'x'), "\n");
    const auto answer =
        client->Call({.operation = "echo", .timeout = absl::Seconds(9), .idempotent = true},
                     [&](Socket& socket) -> absl::StatusOr<std::string> {
                       if (auto sent = socket.Write(line); !sent.ok()) return sent;
                       return socket.ReadUntil("\n");
                     });
    if (answer.ok()) {
      EXPECT_EQ(*answer, line);
    }
    Sleep(absl::Milliseconds(Runtime::Current().NextSeed() % 100));
  }
}

struct Traced {
  std::string text;
  uint64_t hash = 0;
};

// Everything that chance decides, in a scenario of some thousand packets.
Traced Storm(uint64_t seed) {
  Simulation sim(seed, {.link = {.latency = absl::Milliseconds(2),
                                 .jitter = absl::Milliseconds(3),
                                 .spread = LatencySpread::kExponential,
                                 .loss = 0.05,
                                 .bandwidth = 1'000'000},
                        .shuffle = true});
  SimulatedHost& server = sim.AddHost("server");
  server.Serve("echo", EchoLines);
  for (int i = 0; i < 5; ++i) {
    SimulatedHost& host = sim.AddHost(absl::StrCat("client", i));
    host.Run("ask", [i] { AskForLines(i); });
    if (i == 3) sim.SetLink(host, server, {.jitter = absl::Milliseconds(9)});
    if (i == 4) {
      sim.SetLink(host, server,
                  {.jitter = absl::Seconds(1), .spread = LatencySpread::kSpikes, .loss = 0.3});
    }
  }
  sim.After(absl::Seconds(1), [&server] { server.Crash(); });
  sim.After(absl::Seconds(2), [&server] { server.Restart(); });
  sim.After(absl::Seconds(3), [&] { sim.Partition(server, *sim.FindHost("client1")); });
  sim.After(absl::Seconds(5), [&] { sim.Heal(server, *sim.FindHost("client1")); });
  sim.After(absl::Seconds(6), [&server] { server.Pause(); });
  sim.After(absl::Seconds(7), [&server] { server.Resume(); });
  EXPECT_EQ(sim.Run(), absl::OkStatus());
  EXPECT_GT(sim.TraceCount(), 1000u);
  return {sim.Trace(), sim.TraceHash()};
}

TEST(SimulationTraceTest, IsTheSameForTheSameSeed) {
  const Traced first = Storm(7);
  const Traced second = Storm(7);
  EXPECT_EQ(first.text, second.text);
  EXPECT_EQ(first.hash, second.hash);
  EXPECT_NE(first.text, Storm(8).text);
}

// The same number in every build: g++ and clang, with and without optimisation and sanitizers. A
// change of the model changes it; then it is written down anew.
TEST(SimulationTraceTest, IsTheSameFromEveryCompiler) {
  EXPECT_EQ(absl::StrCat(absl::Hex(Storm(7).hash)), "8ad1d32f53ace724");
}

constexpr char kTraceFile[] = "REDIAL_TEST_TRACE_FILE";

TEST(SimulationTraceTest, IsTheSameInEveryProcess) {
  const std::string trace = Storm(9).text;
  if (const char* const file = ::getenv(kTraceFile)) {
    std::ofstream(file) << trace;  // the other process
    return;
  }
  char self[PATH_MAX] = {};
  ASSERT_GT(::readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
  const std::string file = absl::StrCat(::testing::TempDir(), "redial-trace-", ::getpid());
  const std::string command =
      absl::StrCat(kTraceFile, "='", file, "' '", self,
                   "' --gtest_filter=SimulationTraceTest.IsTheSameInEveryProcess >/dev/null");
  ASSERT_EQ(::system(command.c_str()), 0);
  std::stringstream other;
  other << std::ifstream(file).rdbuf();
  ::unlink(file.c_str());
  EXPECT_EQ(trace, other.str());
}

}  // namespace
}  // namespace redial::testing
