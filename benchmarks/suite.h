// Pairs of the same operation, ours and a peer's, timed in interleaved runs of one process.
//
//   suite.Add("read_ready", "recv", [] { return ReadThroughSocket(); }, [] { return ReadRaw(); });
//
// A run answers with nanoseconds per operation. The suite repeats both sides in random order, takes
// the median of each, prints a table and writes summary.json: {"name", "ours_ns", "peer",
// "peer_ns", "ratio", "ours_system_calls", "peer_system_calls"} per operation, the last two where
// they were counted, and with "bytes" instead of "ns" for memory.
#ifndef REDIAL_BENCHMARKS_SUITE_H_
#define REDIAL_BENCHMARKS_SUITE_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace redial::benchmarks {

// One run: nanoseconds (or bytes) per operation, and the system calls that one took (-1: not
// counted).
struct Measured {
  double value = 0;
  double system_calls = -1;
};
using Run = std::function<Measured()>;

struct Bound {
  double ratio = 0;       // ours over peer at most; 0: none
  double difference = 0;  // ours minus peer at most, ns; 0: none
  double most = 0;        // ours at most; 0: none
};

// An operation, ours and a peer's.
struct Entry {
  std::string name;
  std::string peer = {};  // may be empty, and `peer_run` null
  Run ours;
  Run peer_run = {};
  Bound bound = {};
  const char* unit = "ns";
  int most_repetitions = 1000;  // for runs that take long
};

class Suite {
 public:
  void Add(Entry entry) { entries_.push_back(std::move(entry)); }
  void Add(std::string name, std::string peer, Run ours, Run peer_run, Bound bound = {}) {
    Add({std::move(name), std::move(peer), std::move(ours), std::move(peer_run), bound});
  }
  // Runs what matches `filter` (a substring; empty: all), `repetitions` times each. False when
  // summary.json can't be written.
  bool RunAll(const std::string& filter, int repetitions, const std::string& summary_path) const;

 private:
  std::vector<Entry> entries_;
};

// Registered by the files of this folder.
void AddSocketBenchmarks(Suite& suite);
void AddRoundTripBenchmarks(Suite& suite);
void AddCallBenchmarks(Suite& suite);
void AddPolicyBenchmarks(Suite& suite);
void AddOvershootBenchmarks(Suite& suite);
void AddFiberBenchmarks(Suite& suite);
void AddFiberCostBenchmarks(Suite& suite);
void AddSimulationBenchmarks(Suite& suite);

// Pins the calling thread, and its children from now on.
void PinTo(int cpu);
// Nanoseconds on CLOCK_MONOTONIC.
double NowNanos();
// System calls that the wrappers of counted_calls.cc saw on this thread since its start.
long CountedCalls();

}  // namespace redial::benchmarks

#endif  // REDIAL_BENCHMARKS_SUITE_H_
