// Report: tells what happens, and changes nothing.
//
//   auto for_people = redial::Report(redial::ToTerminal(stderr));  // a live line on a terminal
//   auto for_machines = redial::Report(redial::ToLines(stdout));   // a JSON object a line
//   auto for_code = redial::Report(redial::ToFunction([](const redial::CallEvent&) {}));
//
// Sinks are called on the call's own thread, outside every lock of redial's, and the call waits for
// them. Those here may be shared between threads; a function of your own must be safe itself.
#ifndef REDIAL_POLICIES_REPORT_H_
#define REDIAL_POLICIES_REPORT_H_

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/call_event.h"
#include "redial/export.h"
#include "redial/policy.h"

namespace redial {

// Where events go.
class REDIAL_EXPORT Sink {
 public:
  virtual ~Sink();
  virtual void On(const CallEvent& event) = 0;
  // Whether it was made of something that makes sense: kInvalidArgument that names what isn't.
  // Asked once, when its Report joins a set.
  virtual absl::Status Validate() const;
  // How often it wants a kTick during a wait; infinite for never.
  virtual absl::Duration tick_interval() const { return absl::InfiniteDuration(); }
};
using SinkPtr = std::shared_ptr<Sink>;

// Without a sink it does, and costs, nothing.
REDIAL_EXPORT PolicyPtr Report(SinkPtr sink = nullptr);

enum class Color : uint8_t {
  kAuto,  // on a terminal, unless NO_COLOR is set to something or TERM is "dumb" or unset
          // (no-color.org)
  kNever,
  kAlways
};
struct TerminalOptions {
  Color color = Color::kAuto;
  // Whether to rewrite one line while waiting; off wherever `file` isn't a terminal.
  bool live = true;
};
// For people: an attempt a line, the final story, and on a terminal a countdown while it waits.
// `file` stays the caller's.
REDIAL_EXPORT SinkPtr ToTerminal(std::FILE* file, TerminalOptions options = {});

// For machines: one JSON object a line, flushed after each. docs/events.md lists the fields. `file`
// stays the caller's.
REDIAL_EXPORT SinkPtr ToLines(std::FILE* file);
// The same lines, without their newline, to a function.
REDIAL_EXPORT SinkPtr ToLines(std::function<void(std::string_view)> write);

REDIAL_EXPORT SinkPtr ToFunction(std::function<void(const CallEvent&)> function);

}  // namespace redial

#endif  // REDIAL_POLICIES_REPORT_H_
