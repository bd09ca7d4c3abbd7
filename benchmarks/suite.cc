#include "benchmarks/suite.h"

#include <benchmark/benchmark.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

namespace redial::benchmarks {
namespace {

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Keeps every repetition's figures; prints nothing of its own.
class Collector final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration) continue;
      Side& side = sides[run.run_name.function_name];
      side.nanos.push_back(run.counters.at("ns"));
      side.calls = run.counters.at("calls");
    }
  }
  struct Side {
    std::vector<double> nanos;
    double calls = -1;
  };
  std::map<std::string, Side> sides;
};

void Register(const std::string& name, const benchmarks::Run& run, int repetitions) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [run](benchmark::State& state) {
                                 Measured measured;
                                 for (auto _ : state) {
                                   measured = run();
                                   state.SetIterationTime(measured.nanos * 1e-9);
                                 }
                                 state.counters["ns"] = measured.nanos;
                                 state.counters["calls"] = measured.system_calls;
                               })
      ->Iterations(1)
      ->Repetitions(repetitions)
      ->UseManualTime();
}

std::string Verdict(const Bound& bound, double ours, double peer) {
  char text[64] = "";
  if (bound.ratio > 0) {
    std::snprintf(text, sizeof text, "<= %.2f %s", bound.ratio,
                  ours <= bound.ratio * peer ? "met" : "MISSED");
  } else if (bound.difference > 0) {
    std::snprintf(text, sizeof text, "diff %.0f <= %.0f %s", ours - peer, bound.difference,
                  ours - peer <= bound.difference ? "met" : "MISSED");
  }
  return text;
}

std::string Calls(double calls) {
  char text[16] = "-";
  if (calls >= 0) std::snprintf(text, sizeof text, "%.2f", calls);
  return text;
}

}  // namespace

void Suite::Add(std::string name, std::string peer, Run ours, Run peer_run, Bound bound) {
  pairs_.push_back({std::move(name), std::move(peer), std::move(ours), std::move(peer_run), bound});
}

bool Suite::RunAll(const std::string& filter, int repetitions,
                   const std::string& summary_path) const {
  nlohmann::ordered_json summary = nlohmann::ordered_json::array();
  std::printf("%-22s %12s %12s %7s  %9s  %-24s %s\n", "operation", "ours ns", "peer ns", "ratio",
              "syscalls", "peer", "bound");
  for (const Pair& pair : pairs_) {
    if (pair.name.find(filter) == std::string::npos) continue;
    // A run of each that doesn't count: caches, and a processor that speeds up when it has work.
    (void)pair.ours();
    if (pair.peer_run) (void)pair.peer_run();
    benchmark::ClearRegisteredBenchmarks();
    Register("ours", pair.ours, repetitions);
    if (pair.peer_run) Register("peer", pair.peer_run, repetitions);
    Collector collector;
    benchmark::RunSpecifiedBenchmarks(&collector);
    const double ours = Median(collector.sides["ours"].nanos);
    const double peer = Median(collector.sides["peer"].nanos);
    const std::string calls =
        Calls(collector.sides["ours"].calls) + "/" + Calls(collector.sides["peer"].calls);
    nlohmann::ordered_json entry;
    entry["name"] = pair.name;
    entry["ours_ns"] = ours;
    entry["peer"] =
        pair.peer.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(pair.peer);
    entry["peer_ns"] =
        pair.peer_run ? nlohmann::ordered_json(peer) : nlohmann::ordered_json(nullptr);
    entry["ratio"] =
        pair.peer_run ? nlohmann::ordered_json(ours / peer) : nlohmann::ordered_json(nullptr);
    summary.push_back(entry);
    std::printf("%-22s %12.1f %12.1f %7.3f  %9s  %-24s %s\n", pair.name.c_str(), ours, peer,
                pair.peer_run ? ours / peer : 0, calls.c_str(), pair.peer.c_str(),
                pair.peer_run ? benchmarks::Verdict(pair.bound, ours, peer).c_str() : "");
    std::fflush(stdout);
  }
  std::ofstream file(summary_path);
  file << summary.dump(2) << '\n';
  return file.good();
}

void PinTo(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

double NowNanos() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

}  // namespace redial::benchmarks
