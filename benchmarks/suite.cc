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
      side.values.push_back(run.counters.at("value"));
      side.calls = run.counters.at("calls");
    }
  }
  struct Side {
    std::vector<double> values;
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
                                   state.SetIterationTime(measured.value * 1e-9);
                                 }
                                 state.counters["value"] = measured.value;
                                 state.counters["calls"] = measured.system_calls;
                               })
      ->Iterations(1)
      ->Repetitions(repetitions)
      ->UseManualTime();
}

const char* Met(bool met) { return met ? "met" : "MISSED"; }

std::string Verdict(const Bound& bound, double ours, double peer) {
  char text[64] = "";
  if (bound.ratio > 0) {
    std::snprintf(text, sizeof text, "<= %.2f %s", bound.ratio, Met(ours <= bound.ratio * peer));
  } else if (bound.difference > 0) {
    std::snprintf(text, sizeof text, "diff %.0f <= %.0f %s", ours - peer, bound.difference,
                  Met(ours - peer <= bound.difference));
  } else if (bound.most > 0) {
    std::snprintf(text, sizeof text, "<= %.0f %s", bound.most, Met(ours <= bound.most));
  }
  return text;
}

std::string Calls(double calls) {
  char text[16] = "-";
  if (calls >= 0) std::snprintf(text, sizeof text, "%.2f", calls);
  return text;
}

// The medians of one entry.
struct Figures {
  double ours = 0;
  double peer = 0;
  double ours_calls = -1;
  double peer_calls = -1;
};

Figures Measure(const Entry& entry, int repetitions) {
  // A run of each that doesn't count: caches, and a processor that speeds up when it has work.
  (void)entry.ours();
  if (entry.peer_run) (void)entry.peer_run();
  benchmark::ClearRegisteredBenchmarks();
  Register("ours", entry.ours, repetitions);
  if (entry.peer_run) Register("peer", entry.peer_run, repetitions);
  Collector collector;
  benchmark::RunSpecifiedBenchmarks(&collector);
  const Collector::Side& ours = collector.sides["ours"];
  const Collector::Side& peer = collector.sides["peer"];
  return {Median(ours.values), Median(peer.values), ours.calls, peer.calls};
}

nlohmann::ordered_json ToJson(const Entry& entry, const Figures& figures) {
  const std::string unit = entry.unit;
  nlohmann::ordered_json json;
  json["name"] = entry.name;
  json["ours_" + unit] = figures.ours;
  json["peer"] = nullptr;
  json["peer_" + unit] = nullptr;
  json["ratio"] = nullptr;
  if (!entry.peer.empty()) json["peer"] = entry.peer;
  if (entry.peer_run) {
    json["peer_" + unit] = figures.peer;
    json["ratio"] = figures.ours / figures.peer;
  }
  if (figures.ours_calls >= 0) json["ours_system_calls"] = figures.ours_calls;
  if (figures.peer_calls >= 0) json["peer_system_calls"] = figures.peer_calls;
  return json;
}

constexpr const char kHeading[] = "%-32s %10s %10s %6s  %11s  %-25s %s\n";
constexpr const char kLine[] = "%-32s %10.1f %10.1f %6.3f  %11s  %-25s %s\n";

void Print(const Entry& entry, const Figures& figures) {
  const std::string name = entry.unit == std::string("ns") ? entry.name : entry.name + ", bytes";
  const std::string calls = Calls(figures.ours_calls) + "/" + Calls(figures.peer_calls);
  std::printf(kLine, name.c_str(), figures.ours, figures.peer,
              entry.peer_run ? figures.ours / figures.peer : 0, calls.c_str(), entry.peer.c_str(),
              Verdict(entry.bound, figures.ours, figures.peer).c_str());
  std::fflush(stdout);
}

}  // namespace

bool Suite::RunAll(const std::string& filter, int repetitions,
                   const std::string& summary_path) const {
  nlohmann::ordered_json summary = nlohmann::ordered_json::array();
  std::printf(kHeading, "operation", "ours ns", "peer ns", "ratio", "syscalls", "peer", "bound");
  for (const Entry& entry : entries_) {
    if (entry.name.find(filter) == std::string::npos) continue;
    const Figures figures = Measure(entry, std::min(repetitions, entry.most_repetitions));
    summary.push_back(ToJson(entry, figures));
    Print(entry, figures);
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
