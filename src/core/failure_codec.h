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

#include <optional>
#include <string>
#include <string_view>

#include "redial/failure.h"

namespace redial::internal {

std::string EncodeFailure(const Failure& failure);

// nullopt for anything that `EncodeFailure` of this version can't have written. Never reads out of
// bounds and never allocates more than a small multiple of `bytes`, whatever they are.
std::optional<Failure> DecodeFailure(std::string_view bytes);

}  // namespace redial::internal

#endif  // REDIAL_SRC_CORE_FAILURE_CODEC_H_
