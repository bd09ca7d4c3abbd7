// Any text, as a target and as an address: what is taken survives a round trip, and what is refused
// is refused in one bounded line.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "redial/address.h"
#include "redial/target.h"
#include "src/core/format.h"
#include "src/core/strings.h"
#include "tests/fuzz/expect.h"

namespace {

using redial::Address;
using redial::Target;
using redial::internal::OneLine;
using redial::internal::ToStd;

void CheckRefusal(const absl::Status& status) {
  const std::string_view message = ToStd(status.message());
  REDIAL_FUZZ_EXPECT(status.code() == absl::StatusCode::kInvalidArgument);
  REDIAL_FUZZ_EXPECT(message.starts_with("bad "));
  REDIAL_FUZZ_EXPECT(message.size() < 1000);
  REDIAL_FUZZ_EXPECT(OneLine(message, message.size()) == message);
}

void CheckTarget(const Target& target, std::string_view text) {
  REDIAL_FUZZ_EXPECT(target.text() == text);
  REDIAL_FUZZ_EXPECT(*Target::Parse(target.text()) == target);
  const bool is_unix = target.host().empty();
  const auto again = Target::Parse((is_unix ? "unix://" : "tcp://") + target.ToString());
  REDIAL_FUZZ_EXPECT(again.ok());
  REDIAL_FUZZ_EXPECT(again->ToString() == target.ToString());
  REDIAL_FUZZ_EXPECT(again->address() == target.address());
  REDIAL_FUZZ_EXPECT(again->port() == target.port());
  REDIAL_FUZZ_EXPECT(is_unix == (target.port() == 0));
  if (!target.address().has_value()) return;
  REDIAL_FUZZ_EXPECT(*Address::Parse(target.ToString()) == *target.address());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);

  const auto target = Target::Parse(text);
  if (target.ok()) {
    CheckTarget(*target, text);
  } else {
    CheckRefusal(target.status());
  }

  const auto address = Address::Parse(text);
  if (address.ok()) {
    const auto again = Address::Parse(address->ToString());
    REDIAL_FUZZ_EXPECT(again.ok());
    REDIAL_FUZZ_EXPECT(*again == *address);
  } else {
    CheckRefusal(address.status());
  }
  return 0;
}
