// What most sources of the library include, for builds with REDIAL_PRECOMPILE.
#ifndef REDIAL_CMAKE_PRECOMPILED_H_
#define REDIAL_CMAKE_PRECOMPILED_H_

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

#endif  // REDIAL_CMAKE_PRECOMPILED_H_
