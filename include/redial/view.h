// What a policy sees of a call when it is asked, and what it learns of an attempt when it ended.
//
//   class NotOnFullDisks final : public redial::Policy {
//     redial::Verdict Judge(const redial::View& view) const override {
//       if (view.last->error == ENOSPC) return redial::Verdict::Reject(redial::Reason::kRefused);
//       return redial::Verdict::Admit();
//     }
//   };
//
// Values, valid for the duration of the call to the policy that they are passed to.
#ifndef REDIAL_VIEW_H_
#define REDIAL_VIEW_H_

#include <cstdint>

#include "absl/status/status.h"
#include "redial/export.h"
#include "redial/failure.h"
#include "redial/notice.h"
#include "redial/time.h"

namespace redial {

class Ticket;

// A pointer to the value that an operation returned, with its type, so that a predicate on results
// can be kept in a policy that doesn't know the type.
class ResultRef {
 public:
  ResultRef() = default;
  template <class T>
  static ResultRef Of(const T& value) {
    return ResultRef(&value, &kType<T>);
  }
  // nullptr when there is no value, or when it is of another type.
  template <class T>
  const T* As() const {
    return type_ == &kType<T> ? static_cast<const T*>(value_) : nullptr;
  }
  explicit operator bool() const { return value_ != nullptr; }

 private:
  template <class T>
  static inline const char kType = 0;

  ResultRef(const void* value, const void* type) : value_(value), type_(type) {}
  const void* value_ = nullptr;
  const void* type_ = nullptr;
};

// How one attempt ended.
struct Outcome {
  absl::StatusCode code = absl::StatusCode::kOk;
  Phase phase = Phase::kNone;
  Sent sent = Sent::kMaybe;
  int error = 0;  // errno, 0 where none applies
  // The call was over before this attempt was: it proves nothing about the peer.
  bool aborted = false;
  // The operation returned a value that a policy counts as a failure.
  bool failed_result = false;
  AttemptKind kind = AttemptKind::kFirst;
  bool has_retry_after = false;
  int64_t retry_after_nanos = 0;  // what the peer asked for
  // How long connecting took, which is a round trip, and more where a packet was lost; 0 where nobody
  // knows.
  int64_t connect_nanos = 0;
  // Of a retry: the code of the failure that it followed, OK where that was a value.
  absl::StatusCode follows = absl::StatusCode::kOk;
  Instant started;
  Instant ended;
  // For predicates; null where the attempt was abandoned. They live as long as this outcome can be
  // judged.
  const absl::Status* status = nullptr;
  ResultRef result;
  // As in the view.
  uint64_t seed = 0;
  const void* config = nullptr;
  Notices* notices = nullptr;

  void Tell(const Notice& notice) const {
    if (notices != nullptr) notices->Add(notice);
  }

  bool ok() const { return code == absl::StatusCode::kOk && !failed_result; }
};

// Of a call, for those who let calls wait: the higher goes first. What lies beyond counts as the nearest
// of these.
inline constexpr int kLowestPriority = -2;
inline constexpr int kHighestPriority = 2;

// A person's answer to "retry or give up?".
enum class Answer : uint8_t { kNone, kRetry, kGiveUp };

// The candidate: the attempt that might start next.
struct View {
  AttemptKind kind = AttemptKind::kFirst;
  bool idempotent = false;
  Answer answer = Answer::kNone;
  int attempts = 0;  // started so far, hedges included
  Instant began;     // when the call began
  Instant now;
  Deadline deadline;              // the call's
  const Outcome* last = nullptr;  // the latest attempt that failed; null before there is one
  uint64_t seed = 0;              // the call's
  uint64_t identity = 0;    // of the policy that is asked, within its set: all of its bits count
  bool has_ticket = false;  // the policy that is asked has seen this candidate's ticket
  const Ticket* ticket = nullptr;  // that ticket, where it has
  int priority = 0;                // the call's
  // What `Policy::CurrentConfig` of the policy that is asked returned when the call began; null where it has
  // none.
  const void* config = nullptr;
  Notices* notices = nullptr;  // null where nobody looks on

  void Tell(const Notice& notice) const {
    if (notices != nullptr) notices->Add(notice);
  }

  // A draw from [0, 1) that is a pure function of the call's seed, the attempt, its kind, the
  // policy's identity and `draw`: asking twice gives the same number, and no two policies share
  // one.
  REDIAL_EXPORT double Uniform(uint32_t draw = 0) const;
  // The draw that this policy had when it was asked after `attempts` attempts.
  REDIAL_EXPORT double UniformAt(int attempts, uint32_t draw = 0) const;
};

}  // namespace redial

#endif  // REDIAL_VIEW_H_
