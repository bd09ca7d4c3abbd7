// What a FakeNetwork and its parts share.
#ifndef REDIAL_SRC_TESTING_FAKE_STATE_H_
#define REDIAL_SRC_TESTING_FAKE_STATE_H_

#include <cerrno>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "redial/address.h"
#include "redial/target.h"
#include "redial/testing/fake_network.h"
#include "redial/testing/recorder.h"
#include "redial/testing/virtual_runtime.h"

namespace redial::testing::internal {

class FakeConnection;

// One step of an accepted connection's peer.
struct Step {
  enum class Kind : uint8_t { kExpect, kReply, kReplySlowly, kDelay, kStall, kReset, kClose };

  Kind kind = Kind::kExpect;
  std::string bytes = {};
  absl::Duration duration = {};
  std::source_location where = {};

  bool is_last() const {
    return kind == Kind::kStall || kind == Kind::kReset || kind == Kind::kClose;
  }
};
std::string_view StepName(Step::Kind kind);

// One connection of a script: how the connect goes, and what the peer does then.
struct ScriptedConnection {
  std::string_view how;       // "Accept", for messages
  int error = 0;              // of the connect
  bool answers = true;        // the connect
  absl::Duration delay = {};  // before it does
  std::vector<Step> steps = {};
  std::source_location where = {};
  std::weak_ptr<FakeConnection> live = {};  // once it is in use

  bool accepts() const { return answers && error == 0; }
};

struct PeerScript {
  Target target;
  bool valid = true;  // else the test was told that its target is none
  std::deque<ScriptedConnection> connections = {};  // stay where they are as it grows
  size_t used = 0;
  std::unique_ptr<FakePeer> peer = nullptr;
};

// How a name resolves.
struct HostScript {
  enum class Kind : uint8_t { kInvented, kScripted, kSilent };

  Kind kind = Kind::kInvented;
  std::vector<Address> addresses = {};  // without ports; none: no such host
};

struct FakeNetworkState {
  FakeNetworkState(const FakeNetworkOptions& options, std::source_location at)
      : on_failure(options.on_failure),
        where(at),
        runtime({.seed = options.seed, .on_failure = options.on_failure}, at) {}

  void FailNow(std::string sentence, std::source_location at) const {
    Fail(on_failure, {std::move(sentence), at});
  }
  void FailLater(std::string sentence, std::source_location at) {
    failures.push_back({std::move(sentence), at});
  }

  const FailureHandler on_failure;
  const std::source_location where;
  VirtualRuntime runtime;
  Recorder recorder;
  std::deque<PeerScript> peers;
  std::map<std::string, HostScript, std::less<>> hosts;
  std::vector<std::shared_ptr<FakeConnection>> connections;            // every one that was used
  ScriptedConnection refusal{.how = "Refuse", .error = ECONNREFUSED};  // where nothing is scripted
  std::vector<TestFailure> failures;                                   // for the destructor
};

}  // namespace redial::testing::internal

#endif  // REDIAL_SRC_TESTING_FAKE_STATE_H_
