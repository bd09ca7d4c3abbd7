#include <string>

#include "absl/strings/str_cat.h"
#include "redial/testing/virtual_runtime.h"
#include "src/testing/simulation/fabric.h"
#include "src/testing/simulation/scheduler.h"
#include "src/testing/simulation/simulation_state.h"
#include "src/testing/simulation/tcp_connection.h"
#include "src/testing/simulation/tcp_listener.h"
#include "src/testing/simulation/udp_socket.h"

namespace redial::testing::internal {
namespace {

std::string Since(Instant at) { return FormatSeconds(at - Instant::VirtualOrigin()); }

// Names a source by looking for whose it is: nothing on the fast path keeps a register.
std::string DescribeSource(const Source& source, const Scheduler& scheduler, const Fabric& fabric) {
  for (const auto& connection : fabric.connections()) {
    for (TcpEnd* end : {&connection->client(), &connection->server()}) {
      if (&source == &end->readable()) {
        return absl::StrCat("to read from ", end->remote().ToString());
      }
      if (&source != &end->writable()) continue;
      const bool connecting = end->state() == TcpEnd::State::kSynSent;
      return absl::StrCat(connecting ? "to connect to " : "to write to ", end->remote().ToString());
    }
  }
  for (const auto& host : fabric.hosts()) {
    for (const auto& [address, listener] : host->listeners()) {
      if (&source == &listener->readable()) {
        return absl::StrCat("to accept on ", address.ToString());
      }
    }
  }
  for (const auto& host : fabric.hosts()) {
    for (const auto& [address, socket] : host->udp().sockets()) {
      if (&source != &socket->readable()) continue;
      if (!socket->connected()) return absl::StrCat("to receive on ", address.ToString());
      return absl::StrCat("to receive from ", socket->peer().ToString());
    }
  }
  for (const auto& fiber : scheduler.fibers()) {
    if (&source == &fiber->completion().done) {
      return absl::StrCat("for the end of ", fiber->name());
    }
  }
  return "for an event";
}

std::string DescribeWait(const Fiber& fiber, const Scheduler& scheduler, const Fabric& fabric) {
  std::string text;
  for (const Source* source : fiber.sources()) {
    absl::StrAppend(&text, text.empty() ? "" : " or ", DescribeSource(*source, scheduler, fabric));
  }
  if (text.empty()) text = "for time to pass";
  if (!fiber.deadline().is_never()) {
    absl::StrAppend(&text, " until ", Since(fiber.deadline().instant()));
  }
  return absl::StrCat("waits ", text, " since ", Since(fiber.since()));
}

std::string DescribeFiber(const Fiber& fiber, const Scheduler& scheduler, const Fabric& fabric) {
  switch (fiber.state()) {
    case Fiber::State::kReady:
    case Fiber::State::kRunning:
      return "can run";
    case Fiber::State::kHeld:
      return "can't run: its host is paused";
    case Fiber::State::kAbandoned:
      return "was given up: it goes on although its host is gone";
    case Fiber::State::kWaiting:
      break;
  }
  return DescribeWait(fiber, scheduler, fabric);
}

}  // namespace

std::string DescribeFibers(const Scheduler& scheduler, const Fabric& fabric) {
  std::string text;
  for (const auto& fiber : scheduler.fibers()) {
    absl::StrAppend(&text, "  ", fiber->host().host(), "/", fiber->name(), " ",
                    DescribeFiber(*fiber, scheduler, fabric),
                    fiber->foreground() ? "" : " (serves)", "\n");
  }
  return text;
}

}  // namespace redial::testing::internal
