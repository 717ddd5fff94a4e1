#include "server/announcer.h"

#include <gtest/gtest.h>

#include "storage/kv/command.h"

namespace holdfast {
namespace {

using std::chrono::seconds;

constexpr NodeId kAnnounced{7};

class AnnouncerTest : public testing::Test {
 protected:
  AnnouncerTest() {
    status_.self = kAnnounced;
    status_.raft.leader = {8};
    status_.members.list = {{kAnnounced, "n1", "h1:1", true}, {{8}, "n2", "h2:1", true}};
    status_.client_urls = {{kAnnounced, "http://h1:2"}};
  }

  NodeStatus status_;
  Announcer announcer_{kAnnounced, {.client_url = "http://h1:2", .peer = "h1:1"}, Random(1)};
  Instant now_{seconds(100)};
};

TEST_F(AnnouncerTest, SaysNothingThatIsKnown) {
  EXPECT_TRUE(announcer_.due(now_, status_).empty());
}

TEST_F(AnnouncerTest, SaysWhereClientsReachTheNode) {
  for (const char* known : {"", "http://old:2"}) {
    status_.client_urls.erase(kAnnounced);
    if (*known != 0) status_.client_urls[kAnnounced] = known;
    now_ += seconds(10);
    const std::vector<raft::Proposal> due = announcer_.due(now_, status_);
    ASSERT_EQ(due.size(), 1u);
    EXPECT_EQ(due[0].kind, EntryKind::kCommand);
    EXPECT_EQ(decode_command(due[0].payload.view())->act,
              decltype(Command::act)(AnnounceCommand{kAnnounced, "http://h1:2"}));
  }
}

TEST_F(AnnouncerTest, SaysWhereItsPeersReachTheNode) {
  status_.members.list[0].peer_address = "old:1";
  const std::vector<raft::Proposal> due = announcer_.due(now_, status_);
  ASSERT_EQ(due.size(), 1u);
  EXPECT_EQ(due[0].kind, EntryKind::kMembers);
  const Result<raft::Members> after =
      status_.members.with(*raft::decode_change(due[0].payload.view()));
  ASSERT_TRUE(after.has_value());
  EXPECT_EQ(after->find(kAnnounced)->peer_address, "h1:1");
  EXPECT_TRUE(after->votes(kAnnounced));
}

TEST_F(AnnouncerTest, SaysItAgainOnlyAfterAWhile) {
  status_.client_urls.clear();
  const std::vector<raft::Proposal> first = announcer_.due(now_, status_);
  EXPECT_TRUE(announcer_.due(now_ + seconds(1), status_).empty());
  const std::vector<raft::Proposal> second = announcer_.due(now_ + seconds(2), status_);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_NE(first.at(0).request, second[0].request);
}

// The list may be older than its joining, or newer than its removal.
TEST_F(AnnouncerTest, SaysNothingWithoutALeaderOrWhereTheNodeIsNoMember) {
  status_.client_urls.clear();
  status_.raft.leader = {};
  EXPECT_TRUE(announcer_.due(now_, status_).empty());
  status_.raft.leader = {8};
  status_.members.list.erase(status_.members.list.begin());
  EXPECT_TRUE(announcer_.due(now_, status_).empty());
}

}  // namespace
}  // namespace holdfast
