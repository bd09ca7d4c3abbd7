#include "src/net/dial.h"

#include <memory>
#include <stop_token>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "redial/address.h"
#include "redial/dial.h"
#include "redial/network.h"
#include "redial/socket.h"
#include "redial/stream.h"
#include "redial/target.h"
#include "redial/time.h"
#include "src/net/dialer.h"

namespace redial {
namespace internal {

absl::Status CheckStreamTarget(const Target& target) {
  if (target.transport() != Target::Transport::kUdp) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "connect to ", target.text(),
      ": it names datagrams, which redial::Datagram exchanges; a stream's is tcp:// or "
      "unix://"));
}

absl::StatusOr<Socket> DialAndTell(const Target& target, Deadline deadline,
                                   const std::stop_token& stop, const DialOptions& options,
                                   Network& network, absl::Span<const Address> avoid,
                                   DialStory& story) {
  Dialer dialer(target, deadline, stop, options, network, avoid);
  dialer.set_trying(std::move(story.trying));
  absl::StatusOr<std::unique_ptr<Stream>> stream = dialer.Run();
  story.tried = dialer.Tried();
  if (!stream.ok()) return stream.status();
  story.connect_time = dialer.connect_time();
  return Socket(*std::move(stream), deadline, stop);
}

}  // namespace internal

absl::StatusOr<Socket> Dial(const Target& target, Deadline deadline, std::stop_token stop,
                            const DialOptions& options, Network& network) {
  if (absl::Status status = options.Validate(); !status.ok()) return status;
  if (absl::Status status = internal::CheckStreamTarget(target); !status.ok()) return status;
  internal::DialStory story;
  return internal::DialAndTell(target, deadline, stop, options, network, {}, story);
}

}  // namespace redial
