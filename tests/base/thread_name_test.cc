#include "storage/base/thread_name.h"

#include <array>
#include <pthread.h>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(ThreadName, IsWhatTheSystemShows) {
  std::array<char, 16> shown{};
  std::thread([&shown] {
    name_this_thread("snapshot-out");
    pthread_getname_np(pthread_self(), shown.data(), shown.size());
  }).join();
  EXPECT_EQ(std::string(shown.data()), "snapshot-out");
}

TEST(ThreadNameDeathTest, OneThatWouldBeCutShortIsOurMistake) {
  EXPECT_DEATH(name_this_thread("of sixteen bytes"), "too long");
}

}  // namespace
}  // namespace holdfast
