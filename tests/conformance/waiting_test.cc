// How code waits, asserted by the same bodies on threads, on fibers and in virtual time.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "redial/mutex.h"
#include "redial/runtime.h"
#include "redial/source.h"
#include "redial/time.h"
#include "tests/conformance/waiting_world.h"

namespace redial::conformance {
namespace {

Runtime& Rt() { return Runtime::Current(); }
Deadline In(int64_t milliseconds) {
  return Deadline::After(Rt().Now(), absl::Milliseconds(milliseconds));
}
// Bounds what should end by itself; reached only where it hangs.
Deadline Guard() { return In(20'000); }

Task Go(absl::AnyInvocable<void()> fn) {
  absl::StatusOr<Task> task = Rt().Spawn(std::move(fn));
  EXPECT_TRUE(task.ok()) << task.status();
  return task.ok() ? *std::move(task) : Task();
}

void Sleep(int64_t milliseconds) { Rt().SleepUntil(In(milliseconds), {}); }

// Reads or writes as any code does: tries first, and waits only after EAGAIN. Answers the error of
// the try, or that of the wait.
int Read(ByteStream& stream, std::string& into, Deadline deadline = Guard(),
         const std::stop_token& stop = {}) {
  char buffer[1024];
  for (;;) {
    const Try result = stream.TryRead(absl::MakeSpan(buffer));
    into.append(buffer, result.bytes);
    if (result.error != EAGAIN) return result.error;
    switch (Rt().Wait(stream.readable(), deadline, stop)) {
      case WaitResult::kReady:
        break;
      case WaitResult::kTimedOut:
        return ETIMEDOUT;
      case WaitResult::kStopped:
        return ECANCELED;
    }
  }
}

int WriteAll(ByteStream& stream, std::string_view data) {
  const Deadline deadline = Guard();
  while (!data.empty()) {
    const Try result = stream.TryWrite(data);
    data.remove_prefix(result.bytes);
    if (result.error == 0) continue;
    if (result.error != EAGAIN) return result.error;
    if (Rt().Wait(stream.writable(), deadline, {}) != WaitResult::kReady) return ETIMEDOUT;
  }
  return 0;
}

class Waiting
    : public testing::TestWithParam<std::pair<const char*, std::unique_ptr<WaitingWorld> (*)()>> {
 protected:
  void Run(absl::AnyInvocable<void()> body) { world_->Run(std::move(body)); }
  StreamPair Connect() { return world_->Connect(); }

 private:
  const std::unique_ptr<WaitingWorld> world_ = GetParam().second();
};

INSTANTIATE_TEST_SUITE_P(Worlds, Waiting,
                         testing::Values(std::pair("Threads", &MakeWaitingThreadWorld),
                                         std::pair("Fibers", &MakeWaitingFiberWorld),
                                         std::pair("VirtualTime", &MakeWaitingVirtualWorld)),
                         [](const auto& test) { return std::string(test.param.first); });

TEST_P(Waiting, AnEventSetBeforeTheWaitIsNotLost) {
  Run([] {
    Event event;
    event.Set();
    event.Set();
    EXPECT_EQ(Rt().Wait(event, Guard(), {}), WaitResult::kReady);
    // It latches, and doesn't count.
    EXPECT_EQ(Rt().Wait(event, In(5), {}), WaitResult::kTimedOut);
  });
}

TEST_P(Waiting, AnEventSetDuringTheWaitEndsIt) {
  Run([] {
    Event event;
    Task task = Go([&] {
      Sleep(5);
      event.Set();
    });
    EXPECT_EQ(Rt().Wait(event, Guard(), {}), WaitResult::kReady);
  });
}

TEST_P(Waiting, WaitAnyNamesTheOneThatIsReady) {
  Run([this] {
    auto [left, right] = Connect();
    Event events[10];
    std::vector<Source*> sources;
    for (Event& event : events) sources.push_back(&event);
    sources.push_back(&left->readable());

    Task setter = Go([&] {
      Sleep(2);
      events[7].Set();
    });
    EXPECT_EQ(Rt().WaitAny(sources, Guard(), {}), 7);
    setter.Join();

    Task writer = Go([&] {
      Sleep(2);
      EXPECT_EQ(WriteAll(*right, "x"), 0);
    });
    char byte = 0;
    while (left->TryRead({&byte, 1}).error == EAGAIN) {
      EXPECT_EQ(Rt().WaitAny(sources, Guard(), {}), 10);
    }
    EXPECT_EQ(byte, 'x');
  });
}

TEST_P(Waiting, ADeadlineIsNeverEarly) {
  Run([this] {
    auto [left, right] = Connect();
    std::string got;
    EXPECT_EQ(Read(*left, got, In(1)), ETIMEDOUT);
    for (const int64_t nanos : {1, 999, 100'000, 1'000'001, 5'000'000, 20'000'000}) {
      const Deadline deadline = Deadline::AfterNanos(Rt().Now(), nanos);
      EXPECT_EQ(Rt().Wait(left->readable(), deadline, {}), WaitResult::kTimedOut);
      EXPECT_GE(Rt().Now(), deadline.instant());
      const Deadline alarm = Deadline::AfterNanos(Rt().Now(), nanos);
      EXPECT_EQ(Rt().SleepUntil(alarm, {}), WaitResult::kTimedOut);
      EXPECT_GE(Rt().Now(), alarm.instant());
    }
  });
}

TEST_P(Waiting, AnExpiredDeadlineFailsAtOnceThoughSomethingIsReady) {
  Run([] {
    Event event;
    event.Set();
    EXPECT_EQ(Rt().Wait(event, Deadline::Past(), {}), WaitResult::kTimedOut);
    EXPECT_EQ(Rt().Wait(event, Deadline(Rt().Now()), {}), WaitResult::kTimedOut);
    EXPECT_EQ(Rt().Wait(event, Guard(), {}), WaitResult::kReady) << "the latch was consumed";
  });
}

TEST_P(Waiting, AStopBeforeTheWaitEndsItAtOnce) {
  Run([] {
    Event event;
    event.Set();
    std::stop_source stop;
    stop.request_stop();
    EXPECT_EQ(Rt().Wait(event, Guard(), stop.get_token()), WaitResult::kStopped);
    EXPECT_EQ(Rt().SleepUntil(Deadline::Never(), stop.get_token()), WaitResult::kStopped);
    EXPECT_EQ(Rt().Wait(event, Guard(), {}), WaitResult::kReady) << "the latch was consumed";
  });
}

TEST_P(Waiting, AStopDuringTheWaitEndsIt) {
  Run([this] {
    auto [left, right] = Connect();
    for (int i = 0; i < 20; ++i) {
      std::stop_source stop;
      Task stopper = Go([&] {
        Rt().SleepUntil(Deadline::AfterNanos(Rt().Now(), i * 50'000), {});
        stop.request_stop();
      });
      std::string got;
      EXPECT_EQ(Read(*left, got, Guard(), stop.get_token()), ECANCELED);
    }
  });
}

TEST_P(Waiting, ClosingElsewhereEndsEveryWait) {
  Run([this] {
    for (int i = 0; i < 20; ++i) {
      auto [left, right] = Connect();
      ByteStream& stream = *left;
      ASSERT_EQ(WriteAll(*right, "a"), 0);
      std::string got;
      ASSERT_EQ(Read(stream, got), 0);
      // Fills the connection, so that a writer waits too.
      while (stream.TryWrite(std::string(512, 'x')).error != EAGAIN) continue;
      Task writer = Go([&] { EXPECT_EQ(WriteAll(stream, "y"), EBADF); });
      Task closer = Go([&, i] {
        Rt().SleepUntil(Deadline::AfterNanos(Rt().Now(), i * 50'000), {});
        stream.Close();
      });
      EXPECT_EQ(Read(stream, got), EBADF);
      EXPECT_EQ(got, "a");
    }
  });
}

TEST_P(Waiting, AReaderNeverReadsFromTheNextOwnerOfItsNumber) {
  Run([this] {
    for (int i = 0; i < 50; ++i) {
      StreamPair old = Connect();
      Task closer = Go([&, i] {
        Rt().SleepUntil(Deadline::AfterNanos(Rt().Now(), i * 10'000), {});
        old.first->Close();
        // The new ones take the numbers that are free by now, and have something to steal.
        StreamPair next = Connect();
        EXPECT_EQ(WriteAll(*next.first, "secret"), 0);
        EXPECT_EQ(WriteAll(*next.second, "secret"), 0);
        Sleep(1);
      });
      std::string got;
      EXPECT_EQ(Read(*old.first, got), EBADF);
      EXPECT_EQ(got, "");
    }
  });
}

TEST_P(Waiting, ADeadlineMovesUnderAWait) {
  Run([this] {
    auto [left, right] = Connect();
    ByteStream& stream = *left;
    const Deadline guard = Guard();
    std::atomic<Deadline> deadline{guard};
    Task mover = Go([&] {
      Sleep(5);
      deadline.store(Deadline::Past());
      stream.Poke();
    });
    // What a socket does: every report makes it try, and read the deadline again.
    WaitResult result = WaitResult::kReady;
    char byte;
    while (result == WaitResult::kReady && stream.TryRead({&byte, 1}).error == EAGAIN) {
      result = Rt().Wait(stream.readable(), deadline.load(), {});
    }
    EXPECT_EQ(result, WaitResult::kTimedOut);
    EXPECT_LT(Rt().Now(), guard.instant());
  });
}

TEST_P(Waiting, AMutexIsHeldAcrossAWait) {
  Run([] {
    Mutex mutex;
    int inside = 0;
    int total = 0;
    {
      std::vector<Task> tasks;
      for (int i = 0; i < 8; ++i) {
        tasks.push_back(Go([&] {
          for (int round = 0; round < 3; ++round) {
            std::lock_guard lock(mutex);
            EXPECT_EQ(++inside, 1);
            Sleep(1);
            --inside;
            ++total;
          }
        }));
      }
    }
    EXPECT_EQ(total, 24);
    EXPECT_TRUE(mutex.try_lock());
    EXPECT_FALSE(mutex.try_lock());
    mutex.unlock();
  });
}

TEST_P(Waiting, ATaskIsJoinedWhenItGoes) {
  Run([] {
    bool ran = false;
    {
      Task task = Go([&] {
        Sleep(5);
        ran = true;
      });
    }
    EXPECT_TRUE(ran);

    int order = 0;
    Task task = Go([&] {
      Sleep(2);
      ++order;
    });
    task = Task();  // joins the one before
    EXPECT_EQ(order, 1);
    task = Go([&] { ++order; });
    task.Join();
    task.Join();
    EXPECT_EQ(order, 2);
  });
}

TEST_P(Waiting, TasksSpawnTasks) {
  Run([] {
    std::atomic<int> leaves{0};
    std::function<void(int)> grow = [&](int depth) {
      if (depth == 0) {
        Sleep(1);
        ++leaves;
        return;
      }
      Task left = Go([&, depth] { grow(depth - 1); });
      Task right = Go([&, depth] { grow(depth - 1); });
    };
    grow(4);
    EXPECT_EQ(leaves, 16);
  });
}

TEST_P(Waiting, ManyWaitForOneEventInTurn) {
  Run([] {
    Event event;
    std::atomic<int> passed{0};
    {
      std::vector<Task> tasks;
      for (int i = 0; i < 12; ++i) {
        tasks.push_back(Go([&] {
          EXPECT_EQ(Rt().Wait(event, Guard(), {}), WaitResult::kReady);
          ++passed;
          event.Set();
        }));
      }
      Sleep(2);
      event.Set();
    }
    EXPECT_EQ(passed, 12);
  });
}

TEST_P(Waiting, AStreamServesAReaderAndAWriterOnDifferentWorkers) {
  Run([this] {
    auto [near, far] = Connect();
    ByteStream& left = *near;
    ByteStream& right = *far;
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
  });
}

TEST_P(Waiting, AStreamMovesBetweenWorkers) {
  Run([this] {
    auto [near, far] = Connect();
    ByteStream& left = *near;
    ByteStream& right = *far;
    std::string got;
    Task writer = Go([&] {
      for (int i = 0; i < 10; ++i) {
        Rt().SleepUntil(Deadline::AfterNanos(Rt().Now(), 300'000), {});
        EXPECT_EQ(WriteAll(right, "x"), 0);
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
  });
}

#ifdef __cpp_exceptions
TEST_P(Waiting, ExceptionsStayWithTheirTask) {
  Run([] {
    const auto thrower = [](int number) {
      for (int i = 0; i < 5; ++i) {
        try {
          Sleep(1);
          throw number;
        } catch (int) {
          Sleep(1);  // others throw and catch in the meantime
          try {
            throw;
          } catch (int again) {
            EXPECT_EQ(again, number);
            Sleep(1);
          }
        }
        EXPECT_EQ(std::uncaught_exceptions(), 0);
      }
    };
    std::vector<Task> tasks;
    for (int i = 0; i < 6; ++i) tasks.push_back(Go([&, i] { thrower(i); }));
    thrower(6);
  });
}
#endif

}  // namespace
}  // namespace redial::conformance
