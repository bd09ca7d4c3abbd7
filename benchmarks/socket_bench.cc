// read_ready: one byte that is already there.
#include <sys/socket.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "benchmarks/echo.h"
#include "benchmarks/suite.h"
#include "redial/runtime.h"
#include "redial/socket.h"

namespace redial::benchmarks {
namespace {

constexpr int kBatch = 4096;  // bytes that fit into the receive buffer
constexpr int kBatches = 64;

// Times `read_one`, which takes one byte, while `fd`'s peer has filled the buffer.
template <class F>
Measured TimeReads(int peer, F read_one) {
  static const std::string filling(kBatch, 'x');
  double nanos = 0;
  long calls = 0;
  for (int batch = 0; batch < kBatches; ++batch) {
    if (send(peer, filling.data(), filling.size(), 0) != kBatch) std::abort();
    const long calls_before = CountedCalls();
    const double started = NowNanos();
    for (int i = 0; i < kBatch; ++i) read_one();
    nanos += NowNanos() - started;
    calls += CountedCalls() - calls_before;
  }
  const double reads = static_cast<double>(kBatch) * kBatches;
  return {nanos / reads, static_cast<double>(calls) / reads};
}

struct Ours {
  explicit Ours(bool with_deadline) {
    const SocketPair pair = TcpPair();
    peer = pair.theirs;
    auto adopted = Socket::Adopt(pair.ours);
    if (!adopted.ok()) std::abort();
    socket = std::make_unique<Socket>(*std::move(adopted));
    if (with_deadline) {
      socket->set_deadline(Deadline::After(Runtime::Current().Now(), absl::Hours(1)));
    }
  }
  Measured operator()() const {
    return TimeReads(peer, [this] {
      char byte;
      if (socket->Read(absl::MakeSpan(&byte, 1)).value_or(0) != 1) std::abort();
    });
  }
  int peer;
  std::unique_ptr<Socket> socket;
};

}  // namespace

void AddSocketBenchmarks(Suite& suite) {
  auto plain = std::make_shared<Ours>(false);
  auto timed = std::make_shared<Ours>(true);
  const SocketPair raw = TcpPair();
  suite.Add(
      "read_ready", "recv", [plain] { return (*plain)(); },
      [raw] {
        return TimeReads(raw.theirs, [raw] {
          char byte;
          if (recv(raw.ours, &byte, 1, 0) != 1) std::abort();
        });
      },
      {.ratio = 1.08});
  suite.Add(
      "read_ready_deadline", "read_ready", [timed] { return (*timed)(); },
      [plain] { return (*plain)(); }, {.difference = 30});
}

}  // namespace redial::benchmarks
