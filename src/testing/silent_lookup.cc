#include "src/testing/silent_lookup.h"

#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "redial/failure.h"

namespace redial::testing::internal {
namespace {

constexpr char kNameServer[] = "198.18.255.53";

}  // namespace

void SilentLookup::Advance(Instant now) {
  if (answer_.done || now < gives_up_) return;
  answer_.done = true;
  answer_.status = WithFailure(
      absl::UnavailableError(absl::StrCat("look-up of '", host_, "' failed: name server ",
                                          kNameServer, " did not answer")),
      {.phase = Phase::kResolve, .sent = Sent::kNo, .tried = Tried(now)});
}

Deadline SilentLookup::next_timer() const {
  return answer_.done ? Deadline::Never() : Deadline(gives_up_);
}

std::vector<AddressTried> SilentLookup::Tried(Instant now) const {
  return {{.address = kNameServer, .error = ETIMEDOUT, .elapsed = now - began_}};
}

}  // namespace redial::testing::internal
