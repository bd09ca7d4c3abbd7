// Any bytes as a failure's payload: they decode to nothing, or to a failure that survives a round
// trip and whose story stays in one line.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "redial/failure.h"
#include "src/core/failure_codec.h"
#include "src/core/format.h"
#include "tests/fuzz/expect.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  // The message that it came with may be anything too.
  const std::optional<redial::Failure> failure = redial::internal::DecodeFailure(bytes, bytes);
  if (!failure.has_value()) return 0;

  const std::string encoded(redial::internal::EncodeFailure(*failure));
  REDIAL_FUZZ_EXPECT(redial::internal::DecodeFailure(encoded) == failure);

  const absl::Status status = redial::WithFailure(absl::UnavailableError("down"), *failure);
  REDIAL_FUZZ_EXPECT(redial::FailureOf(status) == failure);
  const std::string story = redial::Story(status);
  REDIAL_FUZZ_EXPECT(!story.empty());
  REDIAL_FUZZ_EXPECT(redial::internal::OneLine(story, std::numeric_limits<size_t>::max()) == story);
  return 0;
}
