#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "redial/policies/report.h"

namespace redial {
namespace {

// As safe between threads as its function.
class FunctionSink final : public Sink {
 public:
  explicit FunctionSink(std::function<void(const CallEvent&)> function)
      : function_(std::move(function)) {}

  void On(const CallEvent& event) override { function_(event); }
  absl::Status Validate() const override {
    if (function_) return absl::OkStatus();
    return absl::InvalidArgumentError("ToFunction.function is empty; it must be a function");
  }

 private:
  const std::function<void(const CallEvent&)> function_;
};

}  // namespace

SinkPtr ToFunction(std::function<void(const CallEvent&)> function) {
  return std::make_shared<FunctionSink>(std::move(function));
}

}  // namespace redial
