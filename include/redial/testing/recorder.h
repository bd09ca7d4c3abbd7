// What calls did, as text that a test compares with what it expects: a line for each attempt and
// instant.
//
//   auto recorder = std::make_shared<redial::testing::Recorder>();
//   auto policies = redial::PolicySet::Create({redial::Retry(), redial::Report(recorder)});
//   auto reply = redial::Call({.operation = "fetch"}, *policies, FetchOnce);
//   EXPECT_EQ(recorder->Trace(), "0s #1 refused\n"
//                                "1s #2 connected\n"
//                                "6s #2 attempt timeout after 6 B sent\n"
//                                "7s #3 ok\n");
//
// That an attempt connected has a line of its own only if the attempt ended later than that. A call
// that ends while no attempt runs adds a line without a number: "0s refused by policy: circuit
// breaker open", "9s deadline during backoff", "2s stopped".
//
// Times are counted from the origin of a virtual clock, and from the first call's beginning on a
// real one. A `FakeNetwork` has one of these. Safe between threads.
#ifndef REDIAL_TESTING_RECORDER_H_
#define REDIAL_TESTING_RECORDER_H_

#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "redial/call_event.h"
#include "redial/export.h"
#include "redial/policies/report.h"
#include "redial/time.h"

namespace redial::testing {

class REDIAL_EXPORT Recorder final : public Sink {
 public:
  Recorder() = default;
  ~Recorder() override;

  void On(const CallEvent& event) override;

  // All lines so far, each with its newline.
  std::string Trace() const;

  // What the test kit holds redial to: the operations of calls that began and haven't ended, and
  // how many reservations calls left behind.
  std::vector<std::string> running() const;
  int outstanding() const;

 private:
  using Lines = std::list<std::string>;
  struct AttemptState {
    Instant connected;
    std::optional<Lines::iterator> connected_line;
  };
  struct CallState {
    std::string operation;
    std::map<int, AttemptState> attempts;
    std::optional<Instant> last_ended;
    Reason waits_for = Reason::kNone;
  };

  void OnAttemptEnded(const CallEvent& event, CallState& call);
  void OnCallEnded(const CallEvent& event, const CallState& call);
  Lines::iterator AddLine(Instant now, const std::string& text);

  mutable std::mutex mu_;  // never held across a wait
  std::optional<Instant> origin_;
  Lines lines_;
  std::map<uint64_t, CallState> running_;
  int outstanding_ = 0;
};

}  // namespace redial::testing

#endif  // REDIAL_TESTING_RECORDER_H_
