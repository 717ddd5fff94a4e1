#include "client/cli/node_process.h"

#include <array>
#include <csignal>
#include <poll.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "storage/base/descriptor.h"

namespace holdfast::cli {
namespace {

// A connection that another thread has open when a node is started must end when that thread closes
// it, whatever the node does.
TEST(NodeProcess, HasNothingOfWhatIsOpenHere) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);  // without O_CLOEXEC, as Asio's sockets
  const Descriptor reader(ends[0]);
  Result<NodeProcess> started = NodeProcess::start({"/bin/sleep", "60"}, "/dev/null");
  ASSERT_TRUE(started) << started.error().message;
  ::close(ends[1]);
  pollfd hung_up{reader.number(), POLLIN, 0};
  // It takes a moment until the new process is the program.
  EXPECT_EQ(::poll(&hung_up, 1, 10'000), 1);
  EXPECT_NE(hung_up.revents & POLLHUP, 0);
  EXPECT_TRUE(started->is_running());
  started->signal(SIGKILL);
  while (!started->has_just_ended()) ::poll(nullptr, 0, 1);
}

}  // namespace
}  // namespace holdfast::cli
