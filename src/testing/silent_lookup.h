// A look-up that no name server answers.
#ifndef REDIAL_SRC_TESTING_SILENT_LOOKUP_H_
#define REDIAL_SRC_TESTING_SILENT_LOOKUP_H_

#include <string>
#include <vector>

#include "redial/failure.h"
#include "redial/network.h"
#include "redial/time.h"

namespace redial::testing::internal {

// Gives up as the kernel's network does: after `tries` rounds of `server_timeout`. Used by one
// thread.
class SilentLookup final : public Lookup {
 public:
  SilentLookup(Instant now, const std::string& host, const ResolverOptions& options)
      : host_(host), began_(now), gives_up_(now + options.server_timeout * options.tries) {}

  void Advance(Instant now) override;
  const Answer& ipv4() const override { return answer_; }
  const Answer& ipv6() const override { return answer_; }
  void AppendSources(std::vector<Source*>&) override {}
  Deadline next_timer() const override;
  std::vector<AddressTried> Tried(Instant now) const override;

 private:
  const std::string host_;
  const Instant began_;
  const Instant gives_up_;
  Answer answer_;
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_SILENT_LOOKUP_H_
