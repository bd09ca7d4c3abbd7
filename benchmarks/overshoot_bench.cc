// overshoot: how late a deadline ends a wait, at the 99th percentile.
#include <poll.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmarks/echo.h"
#include "benchmarks/suite.h"
#include "redial/runtime.h"
#include "redial/socket.h"

namespace redial::benchmarks {
namespace {

double Percentile99(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[(values.size() * 99) / 100];
}

// `wait` waits for `nanos` on a connection where nothing comes.
template <class F>
Measured TimeLateness(int64_t nanos, int samples, F wait) {
  std::vector<double> late;
  for (int i = 0; i < samples; ++i) {
    const double until = NowNanos() + static_cast<double>(nanos);
    wait();
    late.push_back(NowNanos() - until);
  }
  return {Percentile99(std::move(late))};
}

void AddOne(Suite& suite, int64_t milliseconds, int samples) {
  const int64_t nanos = milliseconds * 1000000;
  const SocketPair pair = TcpPair();
  auto adopted = Socket::Adopt(pair.ours);
  if (!adopted.ok()) std::abort();
  auto socket = std::make_shared<Socket>(*std::move(adopted));
  const SocketPair raw = TcpPair();
  suite.Add(
      absl::StrCat("overshoot_", milliseconds, "ms"), "ppoll",
      [=] {
        return TimeLateness(nanos, samples, [&] {
          char byte;
          socket->set_deadline(Deadline::AfterNanos(Runtime::Current().Now(), nanos));
          if (socket->Read(absl::MakeSpan(&byte, 1)).ok()) std::abort();
        });
      },
      [=] {
        return TimeLateness(nanos, samples, [&] {
          pollfd idle{raw.ours, POLLIN, 0};
          const timespec time{nanos / 1000000000, nanos % 1000000000};
          if (ppoll(&idle, 1, &time, nullptr) != 0) std::abort();
        });
      },
      {.ratio = 1.2});
}

}  // namespace

void AddOvershootBenchmarks(Suite& suite) {
  AddOne(suite, 1, 400);
  AddOne(suite, 10, 200);
  AddOne(suite, 100, 40);
}

}  // namespace redial::benchmarks
