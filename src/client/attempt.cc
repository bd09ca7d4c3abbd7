#include "redial/attempt.h"

#include "redial/runtime.h"

namespace redial {

absl::Duration Attempt::remaining() const { return deadline_.remaining(runtime_.Now()); }

}  // namespace redial
