// ./dev bench [FILTER]: redial beside its peers, in one run.
#include <benchmark/benchmark.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "benchmarks/part.h"
#include "benchmarks/suite.h"

int main(int argc, char** argv) {
  CLI::App app("redial beside its peers: medians of interleaved runs");
  std::string filter;
  std::string summary = "summary.json";
  int repetitions = 15;
  app.add_option("FILTER", filter, "only the operations whose name contains this");
  app.add_option("--summary", summary, "where to write summary.json")->capture_default_str();
  app.add_option("--repetitions", repetitions, "runs of each side")->capture_default_str();
  redial::benchmarks::PartOptions part;  // for processes that the benchmarks start
  app.add_option("--part", part.role)->group("");
  app.add_option("--cpu", part.cpu)->group("");
  app.add_option("--port", part.port)->group("");
  app.add_option("--connections", part.connections)->group("");
  app.add_option("--control", part.control)->group("");
  CLI11_PARSE(app, argc, argv);
  if (!part.role.empty()) return redial::benchmarks::PlayPart(part);

  const char* own[] = {"redial_bench", "--benchmark_enable_random_interleaving=true"};
  int own_count = 2;
  benchmark::Initialize(&own_count, const_cast<char**>(own));
  redial::benchmarks::Suite suite;
  redial::benchmarks::AddSocketBenchmarks(suite);
  redial::benchmarks::AddRoundTripBenchmarks(suite);
  redial::benchmarks::AddCallBenchmarks(suite);
  redial::benchmarks::AddPolicyBenchmarks(suite);
  redial::benchmarks::AddOvershootBenchmarks(suite);
  redial::benchmarks::AddFiberBenchmarks(suite);
  redial::benchmarks::AddFiberCostBenchmarks(suite);
  redial::benchmarks::AddSimulationBenchmarks(suite);
  if (!suite.RunAll(filter, repetitions, summary)) {
    std::fprintf(stderr, "can't write %s\n", summary.c_str());
    return 1;
  }
  return 0;
}
