// Spreading bits: the hash behind random draws and policies' identities. Pure functions, the same
// on every machine and in every version, so that a seed replays what it replayed before. Not for
// tables that an attacker can fill.
//
//   uint64_t draw = Mix64(seed ^ Mix64(attempt) ^ HashName("Retry"));
#ifndef REDIAL_SRC_CORE_MIX_H_
#define REDIAL_SRC_CORE_MIX_H_

#include <cstdint>
#include <string_view>

namespace redial::internal {

// splitmix64's next output for the state `x` (Steele, Lea, Flood 2014): a bijection in which every
// bit of `x` reaches every bit of the result.
constexpr uint64_t Mix64(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// The next number of a splitmix64 sequence, whose state it moves on.
constexpr uint64_t NextMixed(uint64_t& state) {
  const uint64_t mixed = Mix64(state);
  state += 0x9e3779b97f4a7c15;
  return mixed;
}

// FNV-1a, 64 bits.
constexpr uint64_t HashName(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return hash;
}

}  // namespace redial::internal

#endif  // REDIAL_SRC_CORE_MIX_H_
