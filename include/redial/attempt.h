// What an operation may know of the attempt that it is.
//
//   auto report = redial::Call(
//       {.operation = "report", .timeout = absl::Seconds(5), .idempotent = true}, policy_set,
//       [&](const redial::Attempt& attempt) -> absl::StatusOr<std::string> {
//         return legacy_client.Fetch(attempt.remaining());
//       });
//
// A function that ignores the deadline and the stop token can't be cut short: the call then ends
// when it returns, with kDeadlineExceeded. Used by the attempt's own thread.
#ifndef REDIAL_ATTEMPT_H_
#define REDIAL_ATTEMPT_H_

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "redial/export.h"
#include "redial/failure.h"
#include "redial/time.h"

namespace redial {

class Runtime;

namespace internal {
// What a client's attempt tells its driver, for records, events and hedges.
struct AttemptNotes {
  class Listener {
   public:
    virtual void Connecting(std::string_view address) = 0;
    virtual void Connected(std::string_view address) = 0;

   protected:
    ~Listener() = default;
  };
  Listener* listener = nullptr;
  // Whether it wants to hear of each address that is tried: hedges go elsewhere.
  bool tells_tries = false;
  // Of a hedge: where the attempts that it runs beside are, or are connecting to.
  std::vector<std::string> beside;
  std::string address;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
};

// Where an attempt that may be given up for another has its stop token from.
class AttemptStop {
 public:
  virtual const std::stop_token& token() = 0;

 protected:
  ~AttemptStop() = default;
};
}  // namespace internal

class REDIAL_EXPORT Attempt {
 public:
  // `stop` outlives the attempt.
  Attempt(int number, AttemptKind kind, Deadline deadline, const std::stop_token& stop,
          Runtime& runtime)
      : number_(number), kind_(kind), deadline_(deadline), stop_(stop), runtime_(runtime) {}
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  int number() const { return number_; }  // from 1
  AttemptKind kind() const { return kind_; }
  // The call's, or an earlier one that a policy set for this attempt.
  Deadline deadline() const { return deadline_; }
  absl::Duration remaining() const;
  // The call's; where there are hedges, one that also stops when another attempt has won.
  const std::stop_token& stop_token() const {
    return own_stop_ != nullptr ? own_stop_->token() : stop_;
  }

  // For an operation that returns a value which a policy counts as a failure (an HTTP 503 in an OK
  // value): whether the peer acted, and when it wants to be asked again. Failed operations say it
  // with NotSent, Rejected and RetryAfter.
  void set_sent(Sent sent) const { sent_ = sent; }
  void set_retry_after(absl::Duration delay) const { retry_after_ = delay; }
  std::optional<Sent> sent() const { return sent_; }
  std::optional<absl::Duration> retry_after() const { return retry_after_; }

  // For clients.
  internal::AttemptNotes* notes() const { return notes_; }
  void set_notes(internal::AttemptNotes* notes) { notes_ = notes; }
  // How long connecting took, for policies; 0 where nobody knows.
  void set_connect_time(absl::Duration time) const { connect_nanos_ = ToNanos(time); }
  int64_t connect_nanos() const { return connect_nanos_; }
  // Those that have failed before, where this one is to go elsewhere: of a hedge, and of a retry if a
  // policy wants it. Null otherwise. A retry's changes when the attempt waits.
  const std::vector<AttemptRecord>* failed() const { return failed_; }
  void set_failed(const std::vector<AttemptRecord>* failed) { failed_ = failed; }
  // For calls: which place its result is kept in.
  int slot() const { return slot_; }
  void set_slot(int slot) { slot_ = slot; }
  void set_stop(internal::AttemptStop* stop) { own_stop_ = stop; }

 private:
  const int number_;
  const AttemptKind kind_;
  const Deadline deadline_;
  const std::stop_token& stop_;
  Runtime& runtime_;
  internal::AttemptNotes* notes_ = nullptr;  // null where nobody needs them
  internal::AttemptStop* own_stop_ = nullptr;
  const std::vector<AttemptRecord>* failed_ = nullptr;
  int slot_ = 0;
  mutable int64_t connect_nanos_ = 0;
  mutable std::optional<Sent> sent_;
  mutable std::optional<absl::Duration> retry_after_;
};

}  // namespace redial

#endif  // REDIAL_ATTEMPT_H_
