// Deadlines and timeouts of a socket: kept, and changed while somebody waits.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "redial/failure.h"
#include "redial/socket.h"
#include "tests/conformance/body.h"

namespace redial::conformance {
namespace {

class Limits : public Body {
 protected:
  static constexpr int kRounds = 40;

  absl::Status Read() { return ReadByte(ours_).status(); }
  void SetTimeout(absl::Duration timeout) {
    ASSERT_EQ(ours_.set_operation_timeout(timeout), absl::OkStatus());
  }
  // A read, and what disturbs it: at once in even rounds, and when it has begun in odd ones.
  absl::Status Disturbed(int round, const std::function<void()>& disturb) {
    absl::Status status;
    Task reader = Go([&] { status = Read(); });
    if (round % 2 == 1) Sleep(absl::Milliseconds(1));
    disturb();
    reader.Join();
    return status;
  }

  Ends ends_ = Connected();
  Socket& ours_ = ends_.client;
  Socket& theirs_ = ends_.server;
};

// Source: Go net TestReadTimeoutFluctuation; CPython test_timeout testRecvTimeout.
CONFORM(Limits, ReadsTimeOutNeverEarly) {
  for (const int ms : {1, 2, 5, 20, 50}) {
    const absl::Duration timeout = absl::Milliseconds(ms);
    SetTimeout(timeout);
    const Instant began = Now();
    const absl::Status status = Read();
    ExpectTook(began, timeout);
    EXPECT_EQ(status.code(), kDeadlineExceeded) << status;
    EXPECT_GE(FailureOf(status)->elapsed, timeout);
    EXPECT_EQ(FailureOf(status)->phase, Phase::kRead);
  }
}

// Source: Go net TestReadTimeout (the first rows), TestWriteTimeout.
CONFORM(Limits, AnExpiredDeadlineTouchesNothing) {
  ASSERT_EQ(theirs_.Write("ready"), absl::OkStatus());
  Sleep(kMoment);
  ours_.set_deadline(Deadline(Now()));
  EXPECT_EQ(Read().code(), kDeadlineExceeded);
  EXPECT_EQ(ours_.ReadExactly(5).status().code(), kDeadlineExceeded);
  EXPECT_EQ(ours_.ReadUntil("y").status().code(), kDeadlineExceeded);
  EXPECT_EQ(ours_.Write("x").code(), kDeadlineExceeded);
  EXPECT_EQ(ours_.bytes_sent(), 0U);
  ours_.set_deadline(Deadline::Never());
  EXPECT_EQ(ours_.ReadExactly(5).value_or("lost"), "ready");
}

// Source: Go net TestReadTimeoutUnblocksRead.
CONFORM(Limits, APastDeadlineEndsAReadInProgress) {
  for (int round = 0; round < kRounds; ++round) {
    EXPECT_EQ(Disturbed(round, [&] { ours_.set_deadline(Deadline::Past()); }).code(),
              kDeadlineExceeded);
    ours_.set_deadline(Deadline::Never());
  }
}

// Source: Go net TestReadTimeoutMustNotReturn: a deadline that was cleared ends nothing.
CONFORM(Limits, AClearedDeadlineBlocksAgain) {
  for (int round = 0; round < kRounds; ++round) {
    ours_.set_deadline(Deadline::Past());
    EXPECT_EQ(Read().code(), kDeadlineExceeded);
    ours_.set_deadline(Deadline::Never());
    EXPECT_EQ(Disturbed(round, [&] { EXPECT_EQ(theirs_.Write("x"), absl::OkStatus()); }),
              absl::OkStatus());
  }
}

// Source: Go net TestReadWriteProlongedTimeout.
CONFORM(Limits, AProlongedDeadlineGoesOn) {
  ours_.set_deadline(In(absl::Milliseconds(40)));
  Task prolonger = Go([&] {
    Sleep(absl::Milliseconds(5));
    ours_.set_deadline(Guard());
    Sleep(absl::Milliseconds(60));
    EXPECT_EQ(theirs_.Write("x"), absl::OkStatus());
  });
  EXPECT_EQ(Read(), absl::OkStatus());
}

// Source: Go net.Conn, SetDeadline: "applies to all future and pending I/O".
CONFORM(Limits, AShortenedDeadlineIsKept) {
  const Instant began = Now();
  ours_.set_deadline(Guard());
  Task shortener = Go([&] {
    Sleep(absl::Milliseconds(5));
    ours_.set_deadline(Deadline::After(began, absl::Milliseconds(20)));
  });
  EXPECT_EQ(Read().code(), kDeadlineExceeded);
  ExpectTook(began, absl::Milliseconds(20));
}

// Source: CPython settimeout from another thread takes effect on the next call; redial's on this
// one.
CONFORM(Limits, AMovedTimeoutReachesAWait) {
  for (int round = 0; round < kRounds; ++round) {
    SetTimeout(absl::InfiniteDuration());
    EXPECT_EQ(Disturbed(round, [&] { SetTimeout(absl::Microseconds(10)); }).code(),
              kDeadlineExceeded);
  }
}

// Source: Go net TestReadTimeoutUnblocksRead, for a writer.
CONFORM(Limits, APastDeadlineEndsAWriteInProgress) {
  Ends narrow = Narrow();
  Task shortener = Go([&] {
    Sleep(absl::Milliseconds(10));
    narrow.client.set_deadline(Deadline::Past());
  });
  const absl::Status status = narrow.client.Write(std::string(size_t{16} << 20, 'x'));
  EXPECT_EQ(status.code(), kDeadlineExceeded) << status;
  EXPECT_EQ(FailureOf(status)->bytes_sent, narrow.client.last_write_bytes());
}

// Source: Go net TestConcurrentSetDeadline.
CONFORM(Limits, TasksRaceToSetDeadlines) {
  std::atomic<bool> done{false};
  std::vector<Task> racers;
  for (int i = 0; i < 2; ++i) {
    racers.push_back(Go([&] {
      while (!done) {
        ours_.set_deadline(In(absl::Milliseconds(1)));
        Sleep(absl::Microseconds(20));
      }
    }));
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(theirs_.Write("x"), absl::OkStatus());
    const absl::Status status = Read();
    EXPECT_TRUE(status.ok() || status.code() == kDeadlineExceeded) << status;
  }
  done = true;
  for (Task& racer : racers) racer.Join();
  ours_.set_deadline(Deadline::Past());
  EXPECT_EQ(Read().code(), kDeadlineExceeded) << "the last word holds";
}

// Source: CPython test_socket NonBlockingTCPTests: a zero timeout's error isn't a timeout.
CONFORM(Limits, AZeroTimeoutNeverWaits) {
  SetTimeout(absl::ZeroDuration());
  const absl::Status status = Read();
  EXPECT_EQ(status.code(), kUnavailable);
  EXPECT_EQ(ErrnoOf(status), EAGAIN);
  EXPECT_EQ(theirs_.Write("x"), absl::OkStatus());
  Sleep(kMoment);
  EXPECT_EQ(Read(), absl::OkStatus()) << "it takes what is there";
}

// Source: CPython test_timeout CreationTestCase.testRangeCheck, testTypeCheck.
CONFORM(Limits, ANegativeTimeoutIsRefused) {
  SetTimeout(absl::Milliseconds(7));
  for (const absl::Duration wrong : {-absl::Nanoseconds(1), -absl::InfiniteDuration()}) {
    EXPECT_EQ(ours_.set_operation_timeout(wrong).code(), kInvalidArgument);
  }
  EXPECT_EQ(ours_.operation_timeout(), absl::Milliseconds(7));
}

// Source: CPython test_timeout CreationTestCase.testObjectCreation, testFloatReturnValue.
CONFORM(Limits, TheyAreWhatTheyWereSetTo) {
  EXPECT_EQ(ours_.operation_timeout(), absl::InfiniteDuration());
  EXPECT_EQ(ours_.deadline(), Deadline::Never());
  for (const absl::Duration timeout : {absl::ZeroDuration(), absl::Nanoseconds(1), absl::Seconds(1),
                                       absl::Hours(1'000'000), absl::InfiniteDuration()}) {
    SetTimeout(timeout);
    EXPECT_EQ(ours_.operation_timeout(), timeout);
  }
  const Deadline deadline = In(absl::Seconds(5));
  ours_.set_deadline(deadline);
  EXPECT_EQ(ours_.deadline(), deadline);
}

// Source: Go net TestDialTimeoutMaxDuration, for reads: the largest doesn't overflow into the past.
CONFORM(Limits, TheLargestTimeoutWaits) {
  SetTimeout(absl::Nanoseconds(std::numeric_limits<int64_t>::max()));
  Task writer = Go([&] {
    Sleep(kMoment);
    EXPECT_EQ(theirs_.Write("x"), absl::OkStatus());
  });
  EXPECT_EQ(Read(), absl::OkStatus());
}

// Source: include/redial/socket.h: two limits, which both hold.
CONFORM(Limits, TheEarlierOfDeadlineAndTimeoutHolds) {
  Instant began = Now();
  ours_.set_deadline(In(absl::Milliseconds(10)));
  SetTimeout(kHang);
  EXPECT_EQ(Read().code(), kDeadlineExceeded);
  ExpectTook(began, absl::Milliseconds(10));
  began = Now();
  ours_.set_deadline(Guard());
  SetTimeout(absl::Milliseconds(10));
  EXPECT_EQ(Read().code(), kDeadlineExceeded);
  ExpectTook(began, absl::Milliseconds(10));
}

// Source: CPython settimeout: each operation is bounded anew; a deadline bounds them together.
CONFORM(Limits, ATimeoutBoundsEachOperationAnew) {
  SetTimeout(absl::Milliseconds(10));
  ours_.set_deadline(In(absl::Milliseconds(25)));
  const Instant began = Now();
  EXPECT_EQ(Read().code(), kDeadlineExceeded);
  ExpectTook(began, absl::Milliseconds(10));
  EXPECT_EQ(Read().code(), kDeadlineExceeded);
  if (world().exact()) {
    ExpectTook(began, absl::Milliseconds(20));
    EXPECT_EQ(Read().code(), kDeadlineExceeded);
    ExpectTook(began, absl::Milliseconds(25));
  }
}

// Source: Go net TestReadTimeout: a connection goes on after a timeout.
CONFORM(Limits, AfterATimeoutTheConnectionGoesOn) {
  SetTimeout(absl::Milliseconds(5));
  EXPECT_EQ(Read().code(), kDeadlineExceeded);
  SetTimeout(absl::InfiniteDuration());
  ExpectTalks(ours_, theirs_);
}

// Source: measured: CPython's makefile().read(5) at 0.3 s took 1.00 s under a trickle.
CONFORM(Limits, ATrickleIsHeldToTheDeadline) {
  std::atomic<bool> enough{false};
  Task peer = Go([&] {
    while (!enough) {
      if (!theirs_.Write("x").ok()) break;
      Sleep(absl::Milliseconds(1));
    }
  });
  SetTimeout(kHang);
  const Instant began = Now();
  ours_.set_deadline(In(absl::Milliseconds(50)));
  EXPECT_EQ(ours_.ReadUntil("\n").status().code(), kDeadlineExceeded);
  EXPECT_GE(Now() - began, absl::Milliseconds(50));
  EXPECT_LT(Now() - began, kHang);
  enough = true;
}

// Source: Go net TestVariousDeadlines1Proc (a server that never pauses).
CONFORM(Limits, AFirehoseIsHeldToTheDeadline) {
  Task peer = Go([&] {
    const std::string much(1 << 16, 'x');
    while (theirs_.Write(much).ok()) continue;
  });
  for (const absl::Duration d : {absl::Nanoseconds(1), absl::Microseconds(1), absl::Milliseconds(1),
                                 absl::Milliseconds(10), absl::Milliseconds(20)}) {
    const Instant began = Now();
    ours_.set_deadline(In(d));
    const absl::Status status = ours_.ReadUntil("\n", {.max_bytes = size_t{1} << 40}).status();
    EXPECT_EQ(status.code(), kDeadlineExceeded) << status;
    EXPECT_GE(Now() - began, d);
  }
  ours_.Close();
}

}  // namespace
}  // namespace redial::conformance
