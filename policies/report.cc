#include "redial/policies/report.h"

#include <memory>
#include <utility>

namespace redial {
namespace {

// Passes on what happens. Immutable: safe between threads as far as its sink is.
class ReportPolicy final : public Policy {
 public:
  explicit ReportPolicy(SinkPtr sink)
      : Policy({.name = "Report", .capabilities = sink == nullptr ? 0u : kObserves}),
        sink_(std::move(sink)) {}

  absl::Status Validate() const override {
    return sink_ == nullptr ? absl::OkStatus() : sink_->Validate();
  }
  void Observe(const CallEvent& event) const override { sink_->On(event); }
  void Describe(Description& description) const override {
    description.does.emplace_back(sink_ == nullptr ? "has no sink, and tells nobody"
                                                   : "tells its sink what happens");
  }
  absl::Duration tick_interval() const override {
    return sink_ == nullptr ? absl::InfiniteDuration() : sink_->tick_interval();
  }

 private:
  const SinkPtr sink_;
};

}  // namespace

Sink::~Sink() = default;

absl::Status Sink::Validate() const { return absl::OkStatus(); }

PolicyPtr Report(SinkPtr sink) { return std::make_shared<ReportPolicy>(std::move(sink)); }

}  // namespace redial
