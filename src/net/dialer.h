// One dial: a loop over `Runtime::WaitAny` that drives a look-up, Happy Eyeballs and the streams
// that are on their way.
//
//   Dialer dialer(target, deadline, stop, options, network);
//   absl::StatusOr<std::unique_ptr<Stream>> stream = dialer.Run();
//   for (const AddressTried& tried : dialer.Tried()) ...
#ifndef REDIAL_SRC_NET_DIALER_H_
#define REDIAL_SRC_NET_DIALER_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/dial.h"
#include "redial/failure.h"
#include "redial/network.h"
#include "redial/runtime.h"
#include "redial/source.h"
#include "redial/stream.h"
#include "redial/target.h"
#include "redial/time.h"
#include "src/net/happy_eyeballs.h"

namespace redial::internal {

// Used by one thread, for one `Run`. What it was given must outlive it.
class Dialer {
 public:
  // `options` are valid. Addresses in `avoid` are tried when no other one is left.
  Dialer(const Target& target, Deadline deadline, const std::stop_token& stop,
         const DialOptions& options, Network& network, absl::Span<const Address> avoid = {});
  Dialer(const Dialer&) = delete;
  Dialer& operator=(const Dialer&) = delete;

  // Called with each address when it is tried.
  void set_trying(absl::AnyInvocable<void(const Address&)> trying) { trying_ = std::move(trying); }

  absl::StatusOr<std::unique_ptr<Stream>> Run();

  // After `Run`: every address that was tried in vain, or, where it came to none, every name
  // server.
  std::vector<AddressTried> Tried() const;
  // After a `Run` that went well: how long the address that won took to connect.
  absl::Duration connect_time() const { return connect_time_; }

 private:
  struct Attempt {
    Address address;
    Instant began;
    std::unique_ptr<Stream> stream;  // null once over
    Source* want = nullptr;
    // Where nothing tells when to try again: a pause that grows.
    absl::Duration pause = absl::Milliseconds(1);
    Deadline try_again = Deadline::Never();
    // Once over: why. A status where there is no errno, as other networks may have it.
    int error = 0;
    absl::Status status;
    absl::Duration elapsed;
  };

  absl::Status Begin();
  void TakeAnswers();
  // Starts and aborts until there is nothing to do but to wait, or it is over.
  HappyEyeballs::Action Drain();
  void Start(const Address& address);
  void Try(size_t id);
  void TryPaused();
  void Wait(Deadline until);
  void EndAttempt(size_t id, int error, absl::Status status = absl::OkStatus());
  void EndAll(int error);

  // OK while neither the deadline has passed nor stop was requested.
  absl::Status CheckLimits();
  absl::Status Failed() const;
  absl::Status LookupFailed() const;
  absl::Status Finish(absl::StatusCode code, int error, std::string_view message) const;
  std::string Doing() const;
  std::string DescribeTried() const;
  std::string DescribeAttempt(const Attempt& attempt) const;
  const Attempt& Decisive() const;

  const Target& target_;
  const Deadline deadline_;
  const std::stop_token& stop_;
  const DialOptions& options_;
  Network& network_;
  Runtime& runtime_;
  const Instant began_;
  Instant now_;
  HappyEyeballs machine_;
  std::unique_ptr<Lookup> lookup_;  // null for a target that is an address
  bool stopped_ = false;            // by the runtime, which is being shut down, or by the token
  bool took_ipv4_ = false;
  bool took_ipv6_ = false;
  std::vector<Attempt> attempts_;  // by their ids
  std::optional<size_t> winner_;
  absl::Duration connect_time_ = absl::ZeroDuration();
  std::vector<Source*> sources_;
  absl::AnyInvocable<void(const Address&)> trying_;
};

}  // namespace redial::internal

#endif  // REDIAL_SRC_NET_DIALER_H_
