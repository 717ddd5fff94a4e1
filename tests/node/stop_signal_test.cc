#include "server/stop_signal.h"

#include <csignal>
#include <cstdlib>

#include <gtest/gtest.h>

#include "storage/base/restart.h"

namespace holdfast {
namespace {

class StopSignalTest : public testing::Test {
 protected:
  // The next signal that is heeded on the loop.
  std::string heeded() {
    StopSignal signal(loop_);
    std::string heard;
    signal.await([&](const std::string& name) {
      heard = name;
      loop_.stop();
    });
    loop_.restart();
    loop_.run_for(std::chrono::seconds(20));
    return heard;
  }
  boost::asio::io_context loop_{1};
};

TEST_F(StopSignalTest, OneThatCameBeforeAnybodyWaitedIsHeeded) {
  hold_stop_signals();
  ::raise(SIGINT);
  EXPECT_EQ(heeded(), "SIGINT");
  ::raise(SIGTERM);
  EXPECT_EQ(heeded(), "SIGTERM");
}

TEST_F(StopSignalTest, OneThatWasNotHeededIsLeftToTheNext) {
  {
    StopSignal gone(loop_);
    gone.await([](const std::string&) { ADD_FAILURE() << "it is gone"; });
    ::raise(SIGTERM);
  }
  EXPECT_EQ(heeded(), "SIGTERM");
}

// Else the stop would be forgotten by the process that begins.
TEST(StopSignalDeathTest, WhoIsBeingStoppedDoesNotBeginAnew) {
  EXPECT_EXIT(
      {
        // This program, begun anew, would fail at this.
        ::setenv("GTEST_TOTAL_SHARDS", "1", 1);
        ::setenv("GTEST_SHARD_INDEX", "7", 1);
        boost::asio::io_context loop{1};
        StopSignal signal(loop);
        signal.await([](const std::string&) {});
        ::raise(SIGTERM);
        loop.run_one();
        restart_process();
      },
      testing::ExitedWithCode(0), "");
}

TEST(StopSignalDeathTest, OneThatIsPendingIsHeldByTheProcessThatBegins) {
  // This program, begun anew, finds no test to run.
  EXPECT_EXIT(
      {
        ::setenv("GTEST_TOTAL_SHARDS", "1000000", 1);
        ::setenv("GTEST_SHARD_INDEX", "999999", 1);
        hold_stop_signals();
        ::raise(SIGTERM);
        restart_process();
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace holdfast
