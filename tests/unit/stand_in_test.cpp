#include "source/stand_in.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <new>
#include <stdexcept>
#include <thread>

namespace socktrace::source {
namespace {

// How often it has worked, and how often while nobody was away.
struct Work {
  std::atomic<bool> is_away = false;
  std::atomic<bool> lacks_memory = false;
  std::atomic<int> times = 0;
  std::atomic<int> intrusions = 0;

  void operator()() {
    if (!is_away) ++intrusions;
    ++times;
    times.notify_all();
    if (lacks_memory) throw std::bad_alloc();
  }
};

class StandInTest : public ::testing::Test {
 protected:
  // For what only the other thread does, and then `more`.
  void be_away(const std::function<void()>& more = [] {}) {
    work_.is_away = true;
    struct Back {
      Work& work;
      ~Back() { work.is_away = false; }
    } const back{work_};
    stand_in_.during([&, before = work_.times.load()] {
      work_.times.wait(before);
      more();
    });
  }

  // Ten of its pauses.
  void expect_rest() {
    const int times = work_.times;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_EQ(work_.times, times);
    EXPECT_EQ(work_.intrusions, 0);
  }

  Work work_;
  StandIn stand_in_{[this] { work_(); }};
};

TEST_F(StandInTest, WorksWhileSomebodyWaitsAndOnlyThen) {
  for (int round = 1; round <= 20; ++round) {
    be_away();
    EXPECT_GE(work_.times, round);
  }
  expect_rest();
}

TEST_F(StandInTest, GoesOnAsLongAsTheAbsence) {
  be_away([this] {
    for (int left = 5; left > 0; --left) work_.times.wait(work_.times.load());
  });
  EXPECT_GE(work_.times, 6);
}

TEST_F(StandInTest, StopsWhenTheAbsenceFails) {
  EXPECT_THROW(be_away([] { throw std::runtime_error("the disk"); }), std::runtime_error);
  expect_rest();
}

TEST_F(StandInTest, GoesOnWhenThereIsMemoryAgain) {
  work_.lacks_memory = true;
  be_away([this] {
    work_.lacks_memory = false;
    work_.times.wait(work_.times.load());
  });
  expect_rest();
}

TEST_F(StandInTest, EndsThoughNobodyWasAwayForLong) {
  stand_in_.during([] {});
}

}  // namespace
}  // namespace socktrace::source
