// The script's builder: it checks each step where the test wrote it.

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "src/core/strings.h"
#include "src/testing/fake_connection.h"
#include "src/testing/fake_state.h"

namespace redial::testing {
namespace {

using internal::HostScript;
using internal::ScriptedConnection;
using internal::Step;
using redial::internal::ToAbsl;

// Nothing, or what is wrong with `step` after those that `connections` hold.
std::string WhyNot(const std::deque<ScriptedConnection>& connections, const Step& step) {
  const auto name = ToAbsl(StepName(step.kind));
  if (connections.empty()) {
    return absl::StrCat(name, "() stands before the first connection; begin with Accept()");
  }
  const ScriptedConnection& connection = connections.back();
  if (!connection.accepts()) {
    return absl::StrCat(name, "() follows ", ToAbsl(connection.how),
                        "(); only an accepted connection goes on");
  }
  if (!connection.steps.empty() && connection.steps.back().is_last()) {
    return absl::StrCat(name, "() follows ", ToAbsl(StepName(connection.steps.back().kind)),
                        "(), which ends the connection's steps");
  }
  const bool has_bytes = step.kind == Step::Kind::kExpect || step.kind == Step::Kind::kReply ||
                         step.kind == Step::Kind::kReplySlowly;
  if (has_bytes && step.bytes.empty()) return absl::StrCat(name, "() has no bytes");
  if (step.duration < absl::ZeroDuration() || step.duration == absl::InfiniteDuration()) {
    return absl::StrCat(name, "() has the duration ", FormatSeconds(step.duration),
                        "; it must be finite and not negative");
  }
  return "";
}

}  // namespace

FakePeer::FakePeer(internal::FakeNetworkState& state, internal::PeerScript& script)
    : state_(state), script_(script) {}

FakePeer& FakePeer::Connection(internal::ScriptedConnection connection) {
  script_.connections.push_back(std::move(connection));
  return *this;
}

FakePeer& FakePeer::Accept(Where where) { return Connection({.how = "Accept", .where = where}); }

FakePeer& FakePeer::AcceptAfter(absl::Duration delay, Where where) {
  if (delay < absl::ZeroDuration() || delay == absl::InfiniteDuration()) {
    state_.FailNow(absl::StrCat(script_.target.text(), ": AcceptAfter() has the duration ",
                                FormatSeconds(delay), "; it must be finite and not negative"),
                   where);
    return *this;
  }
  return Connection({.how = "AcceptAfter", .delay = delay, .where = where});
}

FakePeer& FakePeer::Refuse(Where where) {
  return Connection({.how = "Refuse", .error = ECONNREFUSED, .where = where});
}

FakePeer& FakePeer::Unreachable(Where where) {
  return Connection({.how = "Unreachable", .error = EHOSTUNREACH, .where = where});
}

FakePeer& FakePeer::FailConnect(int error, Where where) {
  if (error <= 0 || error == EAGAIN || error == EINPROGRESS) {
    state_.FailNow(absl::StrCat(script_.target.text(), ": FailConnect(", error,
                                ") needs the errno of a connect that failed"),
                   where);
    return *this;
  }
  return Connection({.how = "FailConnect", .error = error, .where = where});
}

FakePeer& FakePeer::BlackHole(Where where) {
  return Connection({.how = "BlackHole", .answers = false, .where = where});
}

FakePeer& FakePeer::Add(internal::Step step) {
  const std::string wrong = WhyNot(script_.connections, step);
  if (!wrong.empty()) {
    state_.FailNow(absl::StrCat(script_.target.text(), ": ", wrong), step.where);
    return *this;
  }
  internal::ScriptedConnection& connection = script_.connections.back();
  connection.steps.push_back(std::move(step));
  if (const auto live = connection.live.lock()) live->Run();
  return *this;
}

FakePeer& FakePeer::Expect(std::string_view bytes, Where where) {
  return Add({.kind = Step::Kind::kExpect, .bytes = std::string(bytes), .where = where});
}

FakePeer& FakePeer::Reply(std::string_view bytes, Where where) {
  return Add({.kind = Step::Kind::kReply, .bytes = std::string(bytes), .where = where});
}

FakePeer& FakePeer::ReplySlowly(std::string_view bytes, absl::Duration interval, Where where) {
  return Add({.kind = Step::Kind::kReplySlowly,
              .bytes = std::string(bytes),
              .duration = interval,
              .where = where});
}

FakePeer& FakePeer::Delay(absl::Duration duration, Where where) {
  return Add({.kind = Step::Kind::kDelay, .duration = duration, .where = where});
}

FakePeer& FakePeer::Stall(Where where) { return Add({.kind = Step::Kind::kStall, .where = where}); }

FakePeer& FakePeer::Reset(Where where) { return Add({.kind = Step::Kind::kReset, .where = where}); }

FakePeer& FakePeer::Close(Where where) { return Add({.kind = Step::Kind::kClose, .where = where}); }

FakePeer& FakePeer::Resolves(internal::HostScript host, std::string_view how, Where where) {
  if (script_.target.address()) {
    state_.FailNow(absl::StrCat(script_.target.text(), ": ", ToAbsl(how),
                                "() is for a host name, and this target needs no look-up"),
                   where);
  } else {
    state_.hosts[script_.target.host()] = std::move(host);
  }
  return *this;
}

FakePeer& FakePeer::Resolve(const std::vector<std::string>& addresses, Where where) {
  HostScript host{.kind = HostScript::Kind::kScripted};
  for (const std::string& text : addresses) {
    const auto address = Address::FromLiteral(text, 0);
    if (!address) {
      state_.FailNow(absl::StrCat(script_.target.text(), ": Resolve() has \"", text,
                                  "\", which is not an address like 10.0.0.1 or 2001:db8::1"),
                     where);
      return *this;
    }
    host.addresses.push_back(*address);
  }
  return Resolves(std::move(host), "Resolve", where);
}

FakePeer& FakePeer::NoSuchHost(Where where) {
  return Resolves({.kind = HostScript::Kind::kScripted}, "NoSuchHost", where);
}

FakePeer& FakePeer::NameServerSilent(Where where) {
  return Resolves({.kind = HostScript::Kind::kSilent}, "NameServerSilent", where);
}

}  // namespace redial::testing
