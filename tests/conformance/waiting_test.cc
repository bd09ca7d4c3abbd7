// How code waits: for events, for streams, for a time, until it is stopped.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "redial/runtime.h"
#include "redial/source.h"
#include "redial/stream.h"
#include "redial/time.h"
#include "tests/conformance/body.h"

namespace redial::conformance {
namespace {

class Waiting : public Body {
 protected:
  // Reads or writes as any code below `Socket` does: tries first, and waits only after EAGAIN.
  // Answers the error of the try, or that of the wait.
  static int Read(Stream& stream, std::string& into, Deadline deadline = Guard(),
                  const std::stop_token& stop = {}) {
    char buffer[1024];
    for (;;) {
      const Io io = stream.TryRead(absl::MakeSpan(buffer));
      into.append(buffer, io.bytes);
      if (io.error != EAGAIN) return io.error;
      switch (runtime().Wait(*io.want, deadline, stop)) {
        case WaitResult::kReady:
          break;
        case WaitResult::kTimedOut:
          return ETIMEDOUT;
        case WaitResult::kStopped:
          return ECANCELED;
      }
    }
  }

  static int WriteAll(Stream& stream, std::string_view data) {
    const Deadline deadline = Guard();
    while (!data.empty()) {
      const Io io = stream.TryWrite(data);
      data.remove_prefix(io.bytes);
      if (io.error == 0) continue;
      if (io.error != EAGAIN) return io.error;
      if (runtime().Wait(*io.want, deadline, {}) != WaitResult::kReady) return ETIMEDOUT;
    }
    return 0;
  }
};

// Source: Tokio sync_notify.rs notify_notified_one.
CONFORM(Waiting, AnEventSetBeforeTheWaitIsNotLost) {
  Event event;
  event.Set();
  event.Set();
  EXPECT_EQ(runtime().Wait(event, Guard(), {}), WaitResult::kReady);
  // It latches, and doesn't count.
  EXPECT_EQ(runtime().Wait(event, In(kMoment), {}), WaitResult::kTimedOut);
}

// Source: Tokio sync_notify.rs notified_one_notify.
CONFORM(Waiting, AnEventSetDuringTheWaitEndsIt) {
  Event event;
  Task task = Go([&] {
    Sleep(kMoment);
    event.Set();
  });
  EXPECT_EQ(runtime().Wait(event, Guard(), {}), WaitResult::kReady);
}

// Source: poll(2): the result names the one that is ready.
CONFORM(Waiting, WaitAnyNamesTheOneThatIsReady) {
  StreamEnds ends = Streams();
  Event events[10];
  char byte = 0;
  Io io = ends.client->TryRead({&byte, 1});
  ASSERT_EQ(io.error, EAGAIN);
  std::vector<Source*> sources;
  for (Event& event : events) sources.push_back(&event);
  sources.push_back(io.want);
  for (const int i : {9, 0, 5}) {
    Task setter = Go([&] {
      Sleep(absl::Milliseconds(2));
      events[i].Set();
    });
    EXPECT_EQ(runtime().WaitAny(sources, Guard(), {}), i);
  }
  Task writer = Go([&] {
    Sleep(absl::Milliseconds(2));
    EXPECT_EQ(WriteAll(*ends.server, "x"), 0);
  });
  for (; io.error == EAGAIN; io = ends.client->TryRead({&byte, 1})) {
    EXPECT_EQ(runtime().WaitAny(sources, Guard(), {}), 10);
  }
  EXPECT_EQ(byte, 'x');
}

// Source: Go net TestReadTimeoutFluctuation; CPython test_timeout.
CONFORM(Waiting, ADeadlineIsNeverEarly) {
  Event event;
  for (const int64_t nanos : {1, 999, 100'000, 1'000'001, 5'000'000, 20'000'000}) {
    Instant began = Now();
    EXPECT_EQ(runtime().Wait(event, In(absl::Nanoseconds(nanos)), {}), WaitResult::kTimedOut);
    ExpectTook(began, absl::Nanoseconds(nanos));
    began = Now();
    EXPECT_EQ(runtime().SleepUntil(In(absl::Nanoseconds(nanos)), {}), WaitResult::kTimedOut);
    ExpectTook(began, absl::Nanoseconds(nanos));
  }
}

// Source: ppoll(2) without descriptors.
CONFORM(Waiting, WaitingForNothingIsASleep) {
  const Instant began = Now();
  EXPECT_EQ(runtime().WaitAny({}, In(kMoment), {}), Runtime::kTimedOut);
  ExpectTook(began, kMoment);
}

// Source: Go net TestReadTimeout (a past deadline fails though data is ready).
CONFORM(Waiting, AnExpiredDeadlineFailsAtOnceThoughSomethingIsReady) {
  Event event;
  event.Set();
  EXPECT_EQ(runtime().Wait(event, Deadline::Past(), {}), WaitResult::kTimedOut);
  EXPECT_EQ(runtime().Wait(event, Deadline(Now()), {}), WaitResult::kTimedOut);
  EXPECT_EQ(runtime().Wait(event, Guard(), {}), WaitResult::kReady) << "the latch was consumed";
}

// Source: C++ [thread.condition.condvarany.intwait]: a stop requested before ends the wait at once.
CONFORM(Waiting, AStopBeforeTheWaitEndsItAtOnce) {
  Event event;
  event.Set();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(runtime().Wait(event, Guard(), stop.get_token()), WaitResult::kStopped);
  EXPECT_EQ(runtime().SleepUntil(Deadline::Never(), stop.get_token()), WaitResult::kStopped);
  EXPECT_EQ(runtime().Wait(event, Guard(), {}), WaitResult::kReady) << "the latch was consumed";
}

// Source: userver socket_test.cpp Cancel.
CONFORM(Waiting, AStopDuringTheWaitEndsIt) {
  StreamEnds ends = Streams();
  for (int i = 0; i < 20; ++i) {
    std::stop_source stop;
    Task stopper = Go([&, i] {
      Sleep(absl::Microseconds(50 * i));
      stop.request_stop();
    });
    std::string got;
    EXPECT_EQ(Read(*ends.client, got, Guard(), stop.get_token()), ECANCELED);
  }
}

// Source: include/redial/runtime.h: WaitFor, for joins and locks, is cut short by nothing.
CONFORM(Waiting, WaitForWaitsComeWhatMay) {
  Event event;
  bool set = false;
  Task task = Go([&] {
    Sleep(kMoment);
    set = true;
    event.Set();
  });
  runtime().WaitFor(event);
  EXPECT_TRUE(set);
}

// Source: Tokio sync_notify.rs notified_multi_notify.
CONFORM(Waiting, ManyWaitForOneEventInTurn) {
  Event event;
  std::atomic<int> passed{0};
  {
    std::vector<Task> tasks;
    for (int i = 0; i < 12; ++i) {
      tasks.push_back(Go([&] {
        EXPECT_EQ(runtime().Wait(event, Guard(), {}), WaitResult::kReady);
        ++passed;
        event.Set();
      }));
    }
    Sleep(absl::Milliseconds(2));
    event.Set();
  }
  EXPECT_EQ(passed, 12);
}

// Source: Tokio time_sleep.rs: each sleeps its own time.
CONFORM(Waiting, SleepersWakeNoneTooEarly) {
  std::vector<Task> tasks;
  for (const int ms : {9, 3, 7, 1, 5, 3, 9, 1}) {
    tasks.push_back(Go([ms] {
      const Instant began = Now();
      Sleep(absl::Milliseconds(ms));
      ExpectTook(began, absl::Milliseconds(ms));
    }));
  }
}

// Source: Go net TestCloseUnblocksRead.
CONFORM(Waiting, ClosingElsewhereEndsEveryWait) {
  for (int i = 0; i < 20; ++i) {
    StreamEnds ends = Streams();
    Stream& stream = *ends.client;
    ASSERT_EQ(WriteAll(*ends.server, "a"), 0);
    std::string got;
    ASSERT_EQ(Read(stream, got), 0);
    // Fills the connection, so that a writer waits too.
    while (stream.TryWrite(std::string(512, 'x')).error != EAGAIN) continue;
    const std::string much(size_t{1} << 24, 'y');
    Task writer = Go([&] { EXPECT_EQ(WriteAll(stream, much), EBADF); });
    Task closer = Go([&, i] {
      Sleep(absl::Microseconds(50 * i));
      stream.Close();
    });
    EXPECT_EQ(Read(stream, got), EBADF);
    EXPECT_EQ(got, "a");
  }
}

// Source: userver socket_test.cpp ReleaseReuse; measured on Linux 6.18: a thread that had polled a
// closed number read another's bytes.
CONFORM(Waiting, AReaderNeverReadsFromTheNextOwnerOfItsNumber) {
  for (int i = 0; i < 50; ++i) {
    StreamEnds old = Streams();
    Task closer = Go([&, i] {
      Sleep(absl::Microseconds(10 * i));
      old.client->Close();
      // The new ones take the numbers that are free by now, and have something to steal.
      StreamEnds next = Streams();
      EXPECT_EQ(WriteAll(*next.client, "secret"), 0);
      EXPECT_EQ(WriteAll(*next.server, "secret"), 0);
      Sleep(absl::Milliseconds(1));
    });
    std::string got;
    EXPECT_EQ(Read(*old.client, got), EBADF);
    EXPECT_EQ(got, "");
  }
}

// Source: Go net TestReadTimeoutUnblocksRead, one layer down: Poke makes a wait look again.
CONFORM(Waiting, ADeadlineMovesUnderAWait) {
  StreamEnds ends = Streams();
  const Deadline guard = Guard();
  std::atomic<Deadline> deadline{guard};
  Task mover = Go([&] {
    Sleep(kMoment);
    deadline.store(Deadline::Past());
    ends.client->Poke();
  });
  // What a socket does: every report makes it try, and read the deadline again.
  WaitResult result = WaitResult::kReady;
  char byte;
  Io io = ends.client->TryRead({&byte, 1});
  for (; result == WaitResult::kReady && io.error == EAGAIN;
       io = ends.client->TryRead({&byte, 1})) {
    result = runtime().Wait(*io.want, deadline.load(), {});
  }
  EXPECT_EQ(result, WaitResult::kTimedOut);
  EXPECT_LT(Now(), guard.instant());
}

// Source: turmoil tcp.rs split: one task reads while another writes.
CONFORM(Waiting, AStreamServesAReaderAndAWriterOnDifferentWorkers) {
  StreamEnds ends = Streams();
  Stream& left = *ends.client;
  Stream& right = *ends.server;
  const std::string text(200'000, 'x');
  std::string there, back;
  {
    Task a = Go([&] { EXPECT_EQ(WriteAll(left, text), 0); });
    Task b = Go([&] {
      while (there.size() < text.size()) ASSERT_EQ(Read(right, there), 0);
    });
    Task c = Go([&] { EXPECT_EQ(WriteAll(right, text), 0); });
    while (back.size() < text.size()) ASSERT_EQ(Read(left, back), 0);
  }
  EXPECT_EQ(there, text);
  EXPECT_EQ(back, text);
}

// Source: include/redial/source.h: another loop takes a source over.
CONFORM(Waiting, AStreamMovesBetweenWorkers) {
  StreamEnds ends = Streams();
  Stream& left = *ends.client;
  std::string got;
  Task writer = Go([&] {
    for (int i = 0; i < 10; ++i) {
      Sleep(absl::Microseconds(300));
      EXPECT_EQ(WriteAll(*ends.server, "x"), 0);
    }
  });
  while (got.size() < 10) {
    const auto read_one = [&] { EXPECT_EQ(Read(left, got), 0); };
    read_one();
    if (got.size() < 10) Go(read_one).Join();
  }
  // At home on one worker, closed from another.
  Task closer = Go([&] { left.Close(); });
  EXPECT_EQ(Read(left, got), EBADF);
}

}  // namespace
}  // namespace redial::conformance
