#include "src/testing/simulation/link.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace redial::testing::internal {
namespace {

constexpr int64_t kNanosPerSecond = 1'000'000'000;

// -log2 of `draw` / 2^64, in 32.32 fixed point: bit by bit, by squaring the mantissa.
uint64_t NegativeLog2(uint64_t draw) {
  draw |= 1;
  const int zeros = __builtin_clzll(draw);
  uint64_t mantissa = draw << zeros;  // in [1, 2) with 63 bits behind the point
  uint64_t log = 0;
  for (int bit = 31; bit >= 0; --bit) {
    const Uint128 square = static_cast<Uint128>(mantissa) * mantissa;
    if ((square >> 127) != 0) {
      log |= uint64_t{1} << bit;
      mantissa = static_cast<uint64_t>(square >> 64);
    } else {
      mantissa = static_cast<uint64_t>(square >> 63);
    }
  }
  return (uint64_t{static_cast<unsigned>(zeros) + 1} << 32) - log;
}

// `mean` times a draw from the exponential distribution of mean 1: -ln u = -log2 u * ln 2.
int64_t Exponential(uint64_t draw, int64_t mean) {
  constexpr uint64_t kLn2 = 0xb17217f7;  // 2^32 ln 2
  const Uint128 scaled = static_cast<Uint128>(NegativeLog2(draw)) * kLn2;
  return static_cast<int64_t>((scaled >> 32) * static_cast<uint64_t>(mean) >> 32);
}

uint32_t InMillionths(double share) { return static_cast<uint32_t>(std::lround(share * 1e6)); }

}  // namespace

void Link::Configure(const LinkOptions& options) {
  latency_ = ToNanos(options.latency);
  jitter_ = ToNanos(options.jitter);
  spread_ = options.spread;
  loss_ = InMillionths(options.loss);
  duplication_ = InMillionths(options.duplication);
  bandwidth_ = options.bandwidth;
}

int64_t Link::DrawJitter() {
  if (jitter_ == 0) return 0;
  const uint64_t draw = chance_.Next();
  switch (spread_) {
    case LatencySpread::kUniform:
      break;
    case LatencySpread::kExponential:
      return Exponential(draw, jitter_);
    case LatencySpread::kSpikes:
      // One in a hundred.
      return draw < std::numeric_limits<uint64_t>::max() / 100 ? jitter_ : 0;
  }
  const auto bound = static_cast<uint64_t>(jitter_) + 1;
  return static_cast<int64_t>((static_cast<Uint128>(draw) * bound) >> 64);
}

std::optional<Instant> Link::Carry(Instant now, size_t bytes) {
  if (!up_) return std::nullopt;
  if (loss_ > 0 && chance_.Chance(loss_)) return std::nullopt;
  Instant leaves = now;
  if (bandwidth_ > 0) {
    const Uint128 nanos =
        static_cast<Uint128>(bytes) * kNanosPerSecond / static_cast<uint64_t>(bandwidth_);
    leaves = Plus(std::max(now, free_at_), static_cast<int64_t>(nanos));
    free_at_ = leaves;
  }
  return Plus(leaves, latency_ + DrawJitter());
}

}  // namespace redial::testing::internal
