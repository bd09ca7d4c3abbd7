#include "policies/refusal_news.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <string_view>
#include <thread>
#include <vector>

#include "redial/notice.h"
#include "redial/time.h"

namespace redial::internal {
namespace {

Instant At(int64_t nanos) { return Instant::FromNanos(nanos); }

// What the notices say since the last time, in one word.
std::string_view Heard(Notices& notices) {
  std::string_view to = "nothing";
  if (!notices.empty()) to = notices.all().size() == 1 ? notices.all()[0].to : "too much";
  notices.Clear();
  return to;
}

TEST(RefusalNewsTest, IsToldOnceAndOverAfterTheRest) {
  RefusalNews news("Dam", "flowing", "holding");
  Notices heard;
  news.Admit(At(0), 10, &heard);
  EXPECT_EQ(Heard(heard), "nothing");
  news.Refuse(At(5), &heard);
  ASSERT_EQ(heard.all().size(), 1u);
  EXPECT_EQ(heard.all()[0].policy, "Dam");
  EXPECT_EQ(heard.all()[0].from, "flowing");
  EXPECT_EQ(Heard(heard), "holding");
  EXPECT_TRUE(news.ConcernsThese(&heard));
  EXPECT_FALSE(news.ConcernsThese(nullptr));

  news.Refuse(At(8), &heard);
  news.Refuse(At(6), &heard);  // a thread that comes late
  news.Admit(At(17), 10, &heard);
  EXPECT_EQ(Heard(heard), "nothing") << "ten after the latest one";
  news.Admit(At(18), 10, &heard);
  EXPECT_EQ(Heard(heard), "flowing");
  EXPECT_FALSE(news.ConcernsThese(&heard));
  news.Admit(At(30), 10, &heard);
  EXPECT_EQ(Heard(heard), "nothing");
}

TEST(RefusalNewsTest, WaitsForSomebodyWhoLooksOn) {
  RefusalNews news("Dam");
  Notices heard;
  news.Refuse(At(0), nullptr);
  news.Admit(At(1), 0, &heard);
  EXPECT_EQ(Heard(heard), "nothing");
  news.Refuse(At(2), nullptr);
  news.Refuse(At(3), &heard);
  EXPECT_EQ(Heard(heard), "refusing");

  news.Refuse(At(10), nullptr);
  news.Admit(At(12), 5, &heard);
  EXPECT_EQ(Heard(heard), "nothing") << "what nobody saw was refused all the same";
  news.Admit(At(20), 5, nullptr);
  EXPECT_TRUE(news.ConcernsThese(&heard));
  news.Admit(At(21), 5, &heard);
  EXPECT_EQ(Heard(heard), "admitting");
}

// The changes of all threads together alternate.
TEST(RefusalNewsTest, ThreadsTellEachChangeOnce) {
  constexpr int kThreads = 4;
  RefusalNews news("Dam");
  std::atomic<int> begun = 0;
  std::atomic<int> over = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      Notices heard;
      for (int i = 0; i < 20'000; ++i) {
        news.Refuse(At(i), &heard);
        news.Admit(At(i), 0, &heard);
        for (const Notice& notice : heard.all()) ++(notice.to == "refusing" ? begun : over);
        heard.Clear();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(begun, 1);
  Notices heard;
  EXPECT_EQ(begun - over, news.ConcernsThese(&heard) ? 1 : 0);
}

}  // namespace
}  // namespace redial::internal
