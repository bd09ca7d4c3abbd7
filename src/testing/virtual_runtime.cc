#include "redial/testing/virtual_runtime.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "src/core/mix.h"

namespace redial::testing {
std::string FormatSeconds(absl::Duration duration) {
  if (duration == absl::InfiniteDuration()) return "inf";
  const int64_t nanos = ToNanos(duration);
  // Unsigned, so that the smallest int64_t has an absolute value.
  const uint64_t magnitude = nanos < 0 ? uint64_t{0} - static_cast<uint64_t>(nanos) : nanos;
  std::string text = absl::StrCat(nanos < 0 ? "-" : "", magnitude / 1000000000, ".",
                                  absl::Dec(magnitude % 1000000000, absl::kZeroPad9));
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + "s";
}

VirtualRuntime::VirtualRuntime(VirtualRuntimeOptions options, std::source_location where)
    : options_(std::move(options)), where_(where), seed_state_(options_.seed) {
  if (options_.current) scope_.emplace(*this);
}

VirtualRuntime::~VirtualRuntime() = default;

void VirtualRuntime::At(Instant at, std::function<void()> function) {
  events_.emplace(at, std::move(function));
}

void VirtualRuntime::After(absl::Duration delay, std::function<void()> function) {
  At(now_ + delay, std::move(function));
}

void VirtualRuntime::Advance(absl::Duration duration) {
  SleepUntil(Deadline::After(now_, duration), {});
}

absl::StatusOr<Task> VirtualRuntime::Spawn(absl::AnyInvocable<void()>) {
  return absl::UnimplementedError(
      "a VirtualRuntime has one thread and can't spawn; schedule a function with After()");
}

uint64_t VirtualRuntime::NextSeed() { return ::redial::internal::NextMixed(seed_state_); }

bool VirtualRuntime::RunNextEvent(Deadline deadline) {
  if (events_.empty()) return false;
  const auto next = events_.begin();
  if (next->first > deadline.instant()) return false;
  // Taken out first: the function may schedule others, or wait itself.
  auto event = events_.extract(next);
  if (event.key() > now_) now_ = event.key();
  event.mapped()();
  return true;
}

int VirtualRuntime::Deadlocked(absl::Span<Source* const> sources) {
  std::string sentence =
      absl::StrCat("deadlock at ", FormatSeconds(elapsed()),
                   ": a wait without a deadline, and nothing is scheduled that could end it");
  for (const Source* source : sources) {
    if (source->fd() >= 0) {
      absl::StrAppend(&sentence, " (virtual time doesn't watch descriptor ", source->fd(), ")");
      break;
    }
  }
  Fail(options_.on_failure, {std::move(sentence), where_});
  return kStopped;
}

int VirtualRuntime::DoWait(Instant, absl::Span<Source* const> sources, Deadline deadline,
                           const std::stop_token& stop) {
  for (;;) {
    for (size_t i = 0; i < sources.size(); ++i) {
      if (sources[i]->Consume()) return static_cast<int>(i);
    }
    if (stop.stop_requested()) return kStopped;
    if (deadline.expired(now_) && (events_.empty() || events_.begin()->first > now_)) {
      return kTimedOut;
    }
    if (RunNextEvent(deadline)) continue;
    if (deadline.is_never()) return Deadlocked(sources);
    now_ = deadline.instant();
  }
}

}  // namespace redial::testing
