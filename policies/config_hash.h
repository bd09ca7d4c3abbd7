// A policy's configuration in one number, for `Policy::Fingerprint`.
#ifndef REDIAL_POLICIES_CONFIG_HASH_H_
#define REDIAL_POLICIES_CONFIG_HASH_H_

#include <bit>
#include <cstdint>
#include <string_view>

#include "absl/time/time.h"
#include "redial/time.h"
#include "src/core/mix.h"

namespace redial::internal {

// A value; not shared between threads.
class ConfigHash {
 public:
  explicit constexpr ConfigHash(std::string_view name) : hash_(HashName(name)) {}

  constexpr ConfigHash& Add(uint64_t value) {
    hash_ = Mix64(hash_ ^ value);
    return *this;
  }
  constexpr ConfigHash& Add(double value) { return Add(std::bit_cast<uint64_t>(value)); }
  ConfigHash& Add(absl::Duration value) { return Add(static_cast<uint64_t>(ToNanos(value))); }

  constexpr uint64_t hash() const { return hash_; }

 private:
  uint64_t hash_;
};

}  // namespace redial::internal

#endif  // REDIAL_POLICIES_CONFIG_HASH_H_
