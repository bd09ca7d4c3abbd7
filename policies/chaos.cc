#include "redial/policies/chaos.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "policies/config_hash.h"
#include "policies/configuration.h"
#include "policies/invalid.h"
#include "redial/time.h"
#include "src/core/mix.h"

namespace redial {
namespace {

constexpr std::string_view kName = "Chaos";

// Which of an attempt's draws decides what.
enum Draw : uint32_t { kEnd, kWhetherLate, kHowLate };

// Sums of tenths aren't exact.
constexpr double kRounding = 1e-9;

absl::Status CheckProbabilities(const ChaosOptions& o) {
  const struct {
    std::string_view field;
    double value;
  } probabilities[] = {
      {"latency_probability", o.latency_probability},
      {"error_probability", o.error_probability},
      {"reset_probability", o.reset_probability},
      {"stall_probability", o.stall_probability},
  };
  for (const auto& p : probabilities) {
    absl::Status status = internal::CheckFromTo<double>(kName, p.field, p.value, 0, 1);
    if (!status.ok()) return status;
  }
  const double ends = o.error_probability + o.reset_probability + o.stall_probability;
  if (ends > 1 + kRounding) {
    return internal::Invalid(kName, "error_probability + reset_probability + stall_probability",
                             ends, "be at most 1: an attempt ends in one way");
  }
  return absl::OkStatus();
}

absl::Status Check(const ChaosOptions& o) {
  if (!o.i_know_this_breaks_calls) {
    return internal::Invalid(kName, "i_know_this_breaks_calls", std::string_view("false"),
                             "be true: Chaos makes calls fail on purpose, for tests and staging");
  }
  if (absl::Status status = CheckProbabilities(o); !status.ok()) return status;
  if (o.min_latency < absl::ZeroDuration()) {
    return internal::Invalid(kName, "min_latency", o.min_latency, "not be negative");
  }
  if (o.max_latency == absl::InfiniteDuration()) {
    return internal::Invalid(kName, "max_latency", o.max_latency,
                             "be finite; stall_probability is for what never ends");
  }
  if (o.max_latency < o.min_latency) {
    return internal::Invalid(
        kName, "max_latency", o.max_latency,
        absl::StrCat("be at least min_latency, ", absl::FormatDuration(o.min_latency)));
  }
  if (o.error_code <= absl::StatusCode::kOk || o.error_code > absl::StatusCode::kUnauthenticated) {
    return internal::Invalid(kName, "error_code", absl::StatusCodeToString(o.error_code),
                             "be the code of an error");
  }
  return absl::OkStatus();
}

// Draws, and counts what it drew. Safe between threads.
class ChaosMaker final : public ChaosPolicy {
 public:
  explicit ChaosMaker(const ChaosOptions& options)
      : ChaosPolicy({.name = kName, .capabilities = kDisrupts | kReconfigures}),
        check_(Check(options)),
        options_(check_.ok() ? options : ChaosOptions()) {}

  absl::Status Validate() const override { return check_; }
  uint64_t Fingerprint() const override;
  const ConfigWord* config_word() const override { return options_.word(); }
  Fault Disrupt(const View& view) const override;
  void Describe(Description& d) const override;
  void Measure(absl::FunctionRef<void(const Gauge&)> visit) const override;

  ChaosPolicy::Snapshot snapshot() const override;
  void set_enabled(bool enabled) override { enabled_.store(enabled, std::memory_order_relaxed); }
  absl::Status Reconfigure(const ChaosOptions& options) override {
    if (absl::Status status = Check(options); !status.ok()) return status;
    options_.Replace(options);
    return absl::OkStatus();
  }

 private:
  // Nothing else follows from a count, so its order relative to others doesn't matter.
  using Counter = std::atomic<int64_t>;
  static void Count(Counter& counter) { counter.fetch_add(1, std::memory_order_relaxed); }
  static int64_t Read(const Counter& counter) { return counter.load(std::memory_order_relaxed); }
  Fault::Kind DrawEnd(const ChaosOptions& o, const View& view) const;

  const absl::Status check_;
  internal::Configuration<ChaosOptions> options_;
  // A switch for people: it guards no other memory.
  std::atomic<bool> enabled_{true};
  mutable Counter delays_{0};
  mutable Counter errors_{0};
  mutable Counter resets_{0};
  mutable Counter stalls_{0};
};

uint64_t ChaosMaker::Fingerprint() const {
  const ChaosOptions& o = options_.current();
  return internal::ConfigHash(kName)
      .Add(o.latency_probability)
      .Add(o.min_latency)
      .Add(o.max_latency)
      .Add(o.error_probability)
      .Add(static_cast<uint64_t>(o.error_code))
      .Add(o.reset_probability)
      .Add(o.stall_probability)
      .Add(uint64_t{o.seed.has_value()})
      .Add(o.seed.value_or(0))
      .hash();
}

Fault::Kind ChaosMaker::DrawEnd(const ChaosOptions& o, const View& view) const {
  if (o.error_probability + o.reset_probability + o.stall_probability == 0)
    return Fault::Kind::kNone;
  double draw = view.Uniform(kEnd);
  if (draw < o.error_probability) {
    Count(errors_);
    return Fault::Kind::kError;
  }
  draw -= o.error_probability;
  if (draw < o.reset_probability) {
    Count(resets_);
    return Fault::Kind::kReset;
  }
  draw -= o.reset_probability;
  if (draw < o.stall_probability) {
    Count(stalls_);
    return Fault::Kind::kStall;
  }
  return Fault::Kind::kNone;
}

Fault ChaosMaker::Disrupt(const View& asked) const {
  if (!enabled_.load(std::memory_order_relaxed)) return {};
  const ChaosOptions& o = options_.Of(asked.config);
  std::optional<View> seeded;  // copied only where it differs
  if (o.seed) seeded.emplace(asked).seed ^= internal::Mix64(*o.seed);
  const View& view = seeded ? *seeded : asked;
  Fault fault{.kind = DrawEnd(o, view), .code = o.error_code};
  if (o.latency_probability > 0 && view.Uniform(kWhetherLate) < o.latency_probability) {
    Count(delays_);
    const absl::Duration latency =
        o.min_latency + view.Uniform(kHowLate) * (o.max_latency - o.min_latency);
    fault.delay_nanos = ToNanos(latency);
  }
  return fault;
}

std::string OfAttempts(double probability) {
  return absl::StrCat(probability * 100, "% of attempts");
}

void ChaosMaker::Describe(Description& d) const {
  const ChaosOptions& o = options_.current();
  d.shares = "its switch";
  d.does.emplace_back("makes attempts go wrong on purpose, for tests and staging");
  if (!enabled_.load(std::memory_order_relaxed)) d.does.emplace_back("is switched off now");
  if (o.latency_probability > 0) {
    d.does.push_back(absl::StrCat("delays ", OfAttempts(o.latency_probability), " by ",
                                  absl::FormatDuration(o.min_latency), " to ",
                                  absl::FormatDuration(o.max_latency)));
  }
  if (o.error_probability > 0) {
    d.does.push_back(absl::StrCat("fails ", OfAttempts(o.error_probability), " with ",
                                  absl::StatusCodeToString(o.error_code), ", unrun"));
  }
  if (o.reset_probability > 0) {
    d.does.push_back(absl::StrCat("loses the answers of ", OfAttempts(o.reset_probability)));
  }
  if (o.stall_probability > 0) {
    d.does.push_back(
        absl::StrCat("lets ", OfAttempts(o.stall_probability), " hang until their deadline"));
  }
  if (o.latency_probability + o.error_probability + o.reset_probability + o.stall_probability ==
      0) {
    d.warnings.emplace_back("Chaos has no probability set: nothing goes wrong.");
  }
}

void ChaosMaker::Measure(absl::FunctionRef<void(const Gauge&)> visit) const {
  const Snapshot s = snapshot();
  visit({.name = "enabled", .value = s.enabled ? 1.0 : 0.0});
  visit({.name = "delays", .value = static_cast<double>(s.delays), .counts_up = true});
  visit({.name = "errors", .value = static_cast<double>(s.errors), .counts_up = true});
  visit({.name = "resets", .value = static_cast<double>(s.resets), .counts_up = true});
  visit({.name = "stalls", .value = static_cast<double>(s.stalls), .counts_up = true});
}

ChaosPolicy::Snapshot ChaosMaker::snapshot() const {
  return {.enabled = enabled_.load(std::memory_order_relaxed),
          .delays = Read(delays_),
          .errors = Read(errors_),
          .resets = Read(resets_),
          .stalls = Read(stalls_)};
}

}  // namespace

std::shared_ptr<ChaosPolicy> Chaos(ChaosOptions options) {
  return std::make_shared<ChaosMaker>(options);
}

}  // namespace redial
