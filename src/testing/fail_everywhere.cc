#include "redial/testing/fail_everywhere.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/core/strings.h"

namespace redial::testing {
namespace {

using Kind = Injection::Kind;
using ::redial::internal::ToAbsl;

// An operation as the first run saw it.
struct Seen {
  Operation operation = Operation::kConnect;
  std::string host;
  uint64_t connection = 0;
  uint64_t offset = 0;
  size_t size = 0;
};

// Counts operations, and lets one of them fail.
class OneFault final : public Injector {
 public:
  explicit OneFault(FaultPoint fault) : fault_(fault) {}

  Injection On(const Point& point) override {
    seen_.push_back({.operation = point.operation,
                     .host = std::string(point.host),
                     .connection = point.connection,
                     .offset = point.offset,
                     .size = point.size});
    if (seen_.size() != fault_.operation) return {};
    return {.kind = fault_.kind, .after = fault_.after};
  }

  const std::vector<Seen>& seen() const { return seen_; }

 private:
  const FaultPoint fault_;
  std::vector<Seen> seen_;
};

bool Same(const Seen& a, const Seen& b) {
  return a.operation == b.operation && a.host == b.host && a.connection == b.connection &&
         a.offset == b.offset && a.size == b.size;
}

// As it is written in code.
std::string_view NameInCode(Kind kind) {
  switch (kind) {
    case Kind::kNone:
      break;
    case Kind::kRefuse:
      return "kRefuse";
    case Kind::kReset:
      return "kReset";
    case Kind::kClose:
      return "kClose";
    case Kind::kStall:
      return "kStall";
    case Kind::kShort:
      return "kShort";
  }
  return "kNone";
}

bool MovesBytes(Operation operation) {
  return operation == Operation::kRead || operation == Operation::kWrite;
}

// How many places a fault of this kind has in an operation: 0 where it can't happen there.
size_t PlacesOf(Kind kind, const Seen& seen) {
  const bool moves = MovesBytes(seen.operation);
  switch (kind) {
    case Kind::kRefuse:
      return seen.operation == Operation::kConnect || seen.operation == Operation::kResolve ? 1 : 0;
    case Kind::kShort:
      return moves && seen.size > 1 ? seen.size - 1 : 0;
    case Kind::kStall:
      break;
    case Kind::kReset:
    case Kind::kClose:
      if (!moves && seen.operation != Operation::kAccept) return 0;
      break;
    case Kind::kNone:
      return 0;
  }
  // Before each byte of a write, and behind the last one. What is read has arrived already.
  return seen.operation == Operation::kWrite ? seen.size + 1 : 1;
}

// What is cut short moves a byte at least, so that its first place is behind that one.
size_t FirstPlace(Kind kind) { return kind == Kind::kShort ? 1 : 0; }

FaultPoint PointAt(uint64_t operation, Kind kind, size_t place) {
  return {.operation = operation, .kind = kind, .after = place + FirstPlace(kind)};
}

bool Has(const std::vector<Seen>& operations, const FaultPoint& point) {
  if (point.operation < 1 || point.operation > operations.size()) return false;
  const size_t first = FirstPlace(point.kind);
  return point.after >= first &&
         point.after - first < PlacesOf(point.kind, operations[point.operation - 1]);
}

// "reset after 3 of 14 bytes written by client, connection 1".
std::string Describe(const FaultPoint& point, const Seen& seen) {
  std::string text(ToAbsl(InjectionName(point.kind)));
  if (MovesBytes(seen.operation)) {
    absl::StrAppend(&text, " after ", point.after, " of ", seen.size, " bytes ",
                    seen.operation == Operation::kWrite ? "written" : "read", " by ", seen.host);
  } else {
    absl::StrAppend(&text, " at ", ToAbsl(OperationName(seen.operation)), " by ", seen.host);
  }
  if (seen.connection != 0) absl::StrAppend(&text, ", connection ", seen.connection);
  return text;
}

class Search {
 public:
  Search(Scenario scenario, const FailEverywhereOptions& options)
      : scenario_(scenario), options_(options) {
    report_.seed = options.seed;
  }

  FailEverywhereReport Run() {
    if (absl::Status valid = Validate(); !valid.ok()) return End(std::move(valid));
    if (absl::Status status = RunWith({}); !status.ok()) {
      return End(Broken("fails without any fault", status));
    }
    report_.operations = seen_.size();
    plan_ = std::move(seen_);
    if (options_.only) return CheckOnly(*options_.only);
    if (const size_t runs = CountRuns(); runs > options_.max_runs) {
      return End(absl::ResourceExhaustedError(
          absl::StrCat("the scenario has ", runs, " points to fail at, and max_runs is ",
                       options_.max_runs, "; make it smaller, or raise the limit")));
    }
    for (size_t i = 0; i < plan_.size(); ++i) {
      for (const Kind kind : options_.faults) {
        const size_t places = PlacesOf(kind, plan_[i]);
        for (size_t place = 0; place < places; ++place) {
          if (!Survives(PointAt(i + 1, kind, place))) return std::move(report_);
        }
      }
    }
    return std::move(report_);
  }

 private:
  absl::Status Validate() const {
    if (std::count(options_.faults.begin(), options_.faults.end(), Kind::kNone) > 0) {
      return absl::InvalidArgumentError(
          "FailEverywhereOptions.faults has kNone, which is no fault");
    }
    if (options_.max_runs == 0) {
      return absl::InvalidArgumentError(
          "FailEverywhereOptions.max_runs is 0; it must be at least 1");
    }
    return options_.simulation.Validate();
  }

  FailEverywhereReport End(absl::Status status) {
    report_.status = std::move(status);
    return std::move(report_);
  }

  absl::Status Broken(std::string_view how, const absl::Status& status) const {
    return absl::InternalError(absl::StrCat(ToAbsl(how), ": ", status.message()));
  }

  size_t CountRuns() const {
    size_t runs = 0;
    for (const Seen& seen : plan_) {
      for (const Kind kind : options_.faults) runs += PlacesOf(kind, seen);
    }
    return runs;
  }

  FailEverywhereReport CheckOnly(const FaultPoint& point) {
    if (!Has(plan_, point)) {
      return End(absl::InvalidArgumentError(
          absl::StrCat("FailEverywhereOptions.only names operation ", point.operation, ", ",
                       ToAbsl(InjectionName(point.kind)), " after ", point.after,
                       "; the scenario has no such point with seed ", options_.seed)));
    }
    Survives(point);
    return std::move(report_);
  }

  // False, with the report filled in, where an invariant broke.
  bool Survives(const FaultPoint& point) {
    const absl::Status status = RunWith(point);
    const Seen& expected = plan_[point.operation - 1];
    if (seen_.size() < point.operation || !Same(seen_[point.operation - 1], expected)) {
      report_.point = point;
      report_.status = absl::FailedPreconditionError(absl::StrCat(
          "the scenario isn't deterministic: operation ", point.operation,
          " was another in this run than in the first, though all before went as it did then. Does "
          "it use a clock, chance or state from outside the simulation?"));
      return false;
    }
    if (status.ok()) return true;
    report_.point = point;
    report_.status = Broken(absl::StrCat("fails with ", Describe(point, expected), " (seed ",
                                         options_.seed, ", operation ", point.operation, ")"),
                            status);
    return false;
  }

  absl::Status RunWith(const FaultPoint& fault) {
    OneFault injector(fault);
    absl::Status failure;
    SimulationOptions simulation = options_.simulation;
    simulation.on_failure = [&failure](const TestFailure& said) {
      if (failure.ok()) failure = absl::InternalError(said.sentence);
    };
    absl::Status status;
    {
      Simulation sim(options_.seed, simulation);
      sim.set_injector(&injector);
      status = scenario_(sim);
      if (!status.ok() || !failure.ok()) report_.trace = sim.Trace();
      sim.set_injector(nullptr);
    }
    ++report_.runs;
    seen_ = injector.seen();
    return status.ok() ? failure : status;
  }

  const Scenario scenario_;
  const FailEverywhereOptions& options_;
  std::vector<Seen> plan_;  // of the run without a fault
  std::vector<Seen> seen_;  // of the latest run
  FailEverywhereReport report_;
};

}  // namespace

std::string FailEverywhereReport::ToString() const {
  if (ok()) return absl::StrCat("holds in ", runs, " runs, ", operations, " operations");
  std::string text(status.message());
  if (point) {
    absl::StrAppend(&text, "\nto see it again: {.seed = ", seed, ", .only = FaultPoint{",
                    point->operation, ", Injection::Kind::", ToAbsl(NameInCode(point->kind)), ", ",
                    point->after, "}}");
  }
  if (!trace.empty()) absl::StrAppend(&text, "\n", trace);
  return text;
}

FailEverywhereReport FailEverywhere(Scenario scenario, const FailEverywhereOptions& options) {
  return Search(scenario, options).Run();
}

}  // namespace redial::testing
