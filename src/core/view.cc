#include "redial/view.h"

#include "src/core/mix.h"

namespace redial {

double View::Uniform(uint32_t draw) const { return UniformAt(attempts, draw); }

double View::UniformAt(int attempts_then, uint32_t draw) const {
  uint64_t x = internal::Mix64(seed ^ identity);
  x = internal::Mix64(
      x ^ (static_cast<uint64_t>(attempts_then) << 34 | static_cast<uint64_t>(kind) << 32 | draw));
  return static_cast<double>(x >> 11) * 0x1p-53;
}

}  // namespace redial
