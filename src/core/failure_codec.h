// A `Failure` as the bytes of a status payload, and back.
//
// The first byte is the version; then come a byte of what is always there, a varint of which fields
// follow, and those fields in order. What a policy refuses at once (`why`, `reasons`, `sent`,
// `retry_at`) takes at most 15 bytes, which `std::string` and `absl::Cord` hold without allocating.
// Durations are kept to the nanosecond.
//
// Pure functions: safe from any thread.
#ifndef REDIAL_SRC_CORE_FAILURE_CODEC_H_
#define REDIAL_SRC_CORE_FAILURE_CODEC_H_

#include <cstddef>
#include <optional>
#include <string_view>

#include "absl/strings/cord.h"
#include "redial/failure.h"

namespace redial::internal {

// Of the payload. No longer than 15 bytes: a longer one would allocate.
inline constexpr std::string_view kFailureUrl = "redial/failure";

absl::Cord EncodeFailure(const Failure& failure);
// The same without operation and target, of which only their sizes are kept: they are what `message`
// begins with, with a space between them. Most refusals then fit where a cord allocates nothing.
absl::Cord EncodeRefusal(const Failure& refusal, size_t operation, size_t target,
                         std::string_view message);

// nullopt for anything that was not encoded by this version. Never reads out of bounds and never
// allocates more than a small multiple of `bytes`, whatever they are. `message` is the status's; where
// it no longer begins as it did, operation and target are lost.
std::optional<Failure> DecodeFailure(std::string_view bytes, std::string_view message = {});

}  // namespace redial::internal

#endif  // REDIAL_SRC_CORE_FAILURE_CODEC_H_
