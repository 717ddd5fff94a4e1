#include "storage/base/descriptor.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

int opened() {
  return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

bool is_open(int number) {
  return ::fcntl(number, F_GETFD) >= 0;
}

TEST(Descriptor, ClosesWhatItOwnsOnce) {
  const int number = opened();
  {
    Descriptor owner(number);
    Descriptor other(std::move(owner));
    EXPECT_FALSE(owner.is_open());  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(other.number(), number);
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(Descriptor, ClosesWhatItOwnedBeforeItGetsAnother) {
  const int first = opened();
  Descriptor owner(first);
  const int second = opened();
  owner = Descriptor(second);
  EXPECT_FALSE(is_open(first));
  EXPECT_TRUE(is_open(second));
}

TEST(Descriptor, AnErrorIsStillThereWhenItHasClosed) {
  Descriptor invalid(1 << 30);
  errno = ENOLCK;
  invalid.close();
  EXPECT_EQ(errno, ENOLCK);
  EXPECT_FALSE(invalid.is_open());
}

}  // namespace
}  // namespace holdfast
