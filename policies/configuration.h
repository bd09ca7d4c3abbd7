// A configuration that can be replaced while calls run: as a whole, and without a lock for those who
// read it. Whoever reads the old one goes on with it.
//
//   Configuration<Options> options_;
//   const Options& options = options_.Of(view.config);  // what the call began with
//
// Each configuration is kept until the policy goes, since there is no telling who still reads it:
// cheap for what people and files change, too much for a control loop. Safe between threads.
#ifndef REDIAL_POLICIES_CONFIGURATION_H_
#define REDIAL_POLICIES_CONFIGURATION_H_

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "redial/policy.h"
#include "src/core/mutex.h"

namespace redial::internal {

template <class T>
class Configuration {
 public:
  explicit Configuration(T first) { Replace(std::move(first)); }

  const T& current() const {
    return *static_cast<const T*>(current_.load(std::memory_order_acquire));
  }
  // For `Policy::config_word`.
  const ConfigWord* word() const { return &current_; }
  // `config`, or the current one where there is none.
  const T& Of(const void* config) const {
    return config != nullptr ? *static_cast<const T*>(config) : current();
  }
  void Replace(T next) {
    const StdMutexLock lock(mu_);
    kept_.push_back(std::make_unique<const T>(std::move(next)));
    current_.store(kept_.back().get(), std::memory_order_release);
  }

 private:
  ConfigWord current_{nullptr};
  StdMutex mu_;
  std::vector<std::unique_ptr<const T>> kept_ ABSL_GUARDED_BY(mu_);
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_CONFIGURATION_H_
