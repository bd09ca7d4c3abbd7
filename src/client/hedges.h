// The hedges of one call: attempts that run beside the call's own thread or fiber, each on a task of
// its own, with a guest in its waits that ends them when the call has no more use for it.
//
//   Hedges hedges(runtime, attempt, stop, wake);
//   if (!hedges.Start({.id = id, .slot = slot, .now = now, .deadline = deadline}).ok()) ...
//   // When `wake` was woken:
//   while (std::unique_ptr<Hedge> hedge = hedges.TakeEnded()) Conclude(*hedge);
//
// Used by the call's thread alone; what comes from the tasks comes through a lock.
#ifndef REDIAL_SRC_CLIENT_HEDGES_H_
#define REDIAL_SRC_CLIENT_HEDGES_H_

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "redial/attempt.h"
#include "redial/call.h"
#include "redial/runtime.h"
#include "redial/ticket.h"
#include "src/client/disruption.h"
#include "src/client/first_exception.h"
#include "src/core/mutex.h"

namespace redial::internal {

// A stop token that also stops for a reason of one's own.
class LinkedStop {
 public:
  explicit LinkedStop(const std::stop_token& outer) : link_(outer, Link{&source_}) {}
  const std::stop_token& token() const { return token_; }
  void Stop() { source_.request_stop(); }

 private:
  struct Link {
    std::stop_source* source;
    void operator()() const noexcept { source->request_stop(); }
  };
  std::stop_source source_;
  const std::stop_token token_ = source_.get_token();
  std::stop_callback<Link> link_;
};

class Hedges {
 public:
  class Hedge;

  // `attempt` and `stop` outlive it.
  Hedges(Runtime& runtime, const AttemptFunction& attempt, const std::stop_token& stop,
         std::shared_ptr<WakeTarget> wake);
  // Gives up what is in flight, and waits until it has returned.
  ~Hedges();

  struct Plan {
    int id = 0;
    int slot = 0;
    Instant now;
    Deadline deadline;
    Disruption* disruption = nullptr;  // may be null; the attempt's until it has ended
    // Its own, since the call's thread goes on.
    std::vector<AttemptRecord> failed = {};
    std::vector<std::string> beside = {};
  };
  // What the call's own thread is told of one.
  struct Connection {
    int number;
    std::string address;
    bool stands;  // otherwise it is tried
  };

  // kResourceExhausted, or what else the runtime says, when there is no task to be had.
  absl::Status Start(Plan plan);
  void Abort(int id);
  // The next that has ended; its task has returned.
  std::unique_ptr<Hedge> TakeEnded();
  std::optional<Connection> TakeConnection();

 private:
  void Ended(Hedge& hedge);
  void Tell(Connection connection);

  Runtime& runtime_;
  const AttemptFunction attempt_;
  const std::stop_token& stop_;
  const std::shared_ptr<WakeTarget> wake_;
  std::vector<std::unique_ptr<Hedge>> running_;

  StdMutex mu_;
  std::vector<Hedge*> ended_ ABSL_GUARDED_BY(mu_);  // has room for all
  std::vector<Connection> connections_ ABSL_GUARDED_BY(mu_);
};

class Hedges::Hedge final : WaitGuest, AttemptNotes::Listener, AttemptStop {
 public:
  Hedge(Hedges& hedges, Plan plan);

  const int id;
  const Instant started;
  Attempt attempt;
  AttemptResult result;
  Instant ended;
  // What left the operation, if anything.
  FirstException thrown;

 private:
  friend class Hedges;
  void Run();
  void Abort();

  bool over() const override { return aborted_.load(std::memory_order_acquire); }
  Source* source() override { return &abort_; }
  Deadline due() const override { return Deadline::Never(); }
  void Serve(Instant) noexcept override {}
  void Connecting(std::string_view address) override;
  void Connected(std::string_view address) override;
  const std::stop_token& token() override { return stop_.token(); }

  Hedges& hedges_;
  Disruption* const disruption_;
  const std::vector<AttemptRecord> failed_;
  LinkedStop stop_;
  AttemptNotes notes_;
  std::atomic<bool> aborted_{false};
  Event abort_;
  Task task_;
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_CLIENT_HEDGES_H_
