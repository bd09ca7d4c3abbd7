#include "tests/seeds/service.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "redial/address.h"
#include "redial/failure.h"
#include "redial/listener.h"
#include "redial/runtime.h"
#include "redial/time.h"

namespace redial::testing {
namespace {

// False where the connection is over.
bool Answer(Socket& peer, Ledger& ledger, Dice& dice) {
  const absl::StatusOr<std::string> line = peer.ReadUntil("\n", {.max_bytes = 64});
  if (!line.ok()) return false;
  const std::vector<std::string> words = absl::StrSplit(*line, absl::ByAnyChar(" \n"));
  uint64_t id = 0;
  size_t bytes = 0;
  if (words.size() != 4 || words[0] != "DO" || !absl::SimpleAtoi(words[1], &id) ||
      !absl::SimpleAtoi(words[2], &bytes)) {
    return false;
  }
  if (dice.OneIn(10)) return peer.Write("BUSY\n").ok();
  Runtime& runtime = Runtime::Current();
  const absl::Duration work = dice.Time(absl::ZeroDuration(), absl::Milliseconds(20));
  if (runtime.SleepUntil(Deadline::After(runtime.Now(), work), {}) == WaitResult::kStopped) {
    return false;
  }
  ++ledger.executions[id];
  if (dice.OneIn(20)) return false;  // done, and nobody hears of it
  return peer.Write(absl::StrCat("DONE ", id, "\n", std::string(bytes, 'x'))).ok();
}

}  // namespace

void Serve(Ledger& ledger, Dice dice) {
  absl::StatusOr<Listener> listener = Listener::Listen(*Address::Parse("0.0.0.0:80"));
  if (!listener.ok()) return;  // it went down again before it was up
  std::vector<Task> tasks;
  for (;;) {
    absl::StatusOr<Socket> peer = listener->Accept();
    if (!peer.ok()) return;
    auto shared = std::make_shared<Socket>(*std::move(peer));
    shared->set_operation_timeout(absl::Seconds(30)).IgnoreError();
    const uint64_t seed = dice.Next();
    absl::StatusOr<Task> task = Runtime::Current().Spawn([shared, &ledger, seed] {
      Dice own(seed);
      while (Answer(*shared, ledger, own)) continue;
      shared->Close();
    });
    if (task.ok()) tasks.push_back(*std::move(task));
  }
}

absl::StatusOr<std::string> Do(Socket& socket, uint64_t id, size_t bytes) {
  const absl::Status sent = socket.Write(absl::StrCat("DO ", id, " ", bytes, "\n"));
  if (!sent.ok()) return sent;
  const absl::StatusOr<std::string> line = socket.ReadUntil("\n", {.max_bytes = 64});
  if (!line.ok()) return line.status();
  if (*line == "BUSY\n") return Rejected(absl::UnavailableError("busy"));
  if (*line != absl::StrCat("DONE ", id, "\n")) {
    return absl::InternalError(absl::StrCat("an answer to something else: ", *line));
  }
  return socket.ReadExactly(bytes);
}

}  // namespace redial::testing
