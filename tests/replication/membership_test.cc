#include "replication/raft/membership.h"

#include <gtest/gtest.h>

namespace holdfast::raft {
namespace {

Members members_of(std::initializer_list<uint64_t> voters) {
  Members members;
  for (const uint64_t id : voters)
    members.list.push_back({NodeId{id}, "n", "host:" + std::to_string(id), true});
  return members;
}

LogEntry entry(uint64_t index, const Members& members) {
  return {LogIndex{index}, Term{1}, EntryKind::kMembers, {}, encode_members(members)};
}

TEST(MembershipTest, EncodingKeepsEveryField) {
  Members members = members_of({1, 5});
  members.list[1].voter = false;
  const Result<Members> decoded = decode_members(encode_members(members).view());
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, members);
}

TEST(MembershipTest, RefusesWhatIsNotAList) {
  EXPECT_FALSE(decode_members("\xff\xff").has_value());
  EXPECT_FALSE(decode_members(encode_members(members_of({5, 1})).view()).has_value());
}

TEST(MembershipTest, OnlyVotersVote) {
  Members members = members_of({1, 2});
  members.list[1].voter = false;
  EXPECT_TRUE(members.votes(NodeId{1}));
  EXPECT_FALSE(members.votes(NodeId{2}));
  EXPECT_FALSE(members.votes(NodeId{3}));
  EXPECT_EQ(members.voters(), std::vector<NodeId>{NodeId{1}});
}

TEST(MembershipTest, CountsFromTheMomentOfAppendingAndACutTakesItBack) {
  Membership membership(LogIndex{3}, members_of({1}));
  membership.append(entry(5, members_of({1, 2})));
  membership.append(entry(7, members_of({1, 2, 3})));
  EXPECT_EQ(membership.current(), members_of({1, 2, 3}));
  membership.cut_from(LogIndex{8});
  EXPECT_EQ(membership.current(), members_of({1, 2, 3}));
  membership.cut_from(LogIndex{7});
  EXPECT_EQ(membership.current(), members_of({1, 2}));
  membership.cut_from(LogIndex{4});
  EXPECT_EQ(membership.current(), members_of({1}));
}

TEST(MembershipTest, AnInstalledStateBringsTheListOfItsPlaceAndANewerOneStays) {
  Membership membership(LogIndex{3}, members_of({1}));
  membership.append(entry(5, members_of({1, 2})));
  membership.append(entry(7, members_of({1, 2, 3})));
  membership.installed(LogIndex{6}, members_of({1, 2, 4}));
  EXPECT_EQ(membership.at(LogIndex{6}), members_of({1, 2, 4}));
  EXPECT_EQ(membership.current(), members_of({1, 2, 3}));
  membership.installed(LogIndex{9}, members_of({4}));
  EXPECT_EQ(membership.current(), members_of({4}));
}

TEST(MembershipTest, AnyListThatMayCountMakesAVoter) {
  Membership membership(LogIndex{3}, members_of({1}));
  membership.append(entry(5, members_of({1, 2})));
  membership.append(entry(7, members_of({1})));
  EXPECT_TRUE(membership.may_vote(NodeId{1}, LogIndex{7}));
  EXPECT_FALSE(membership.may_vote(NodeId{2}, LogIndex{7}));
  EXPECT_TRUE(membership.may_vote(NodeId{2}, LogIndex{6}));
  EXPECT_TRUE(membership.may_vote(NodeId{2}, LogIndex{4}));
  EXPECT_FALSE(membership.may_vote(NodeId{3}, LogIndex{}));
}

TEST(MembershipTest, AnAppliedListIsNeverTakenBack) {
  Membership membership({}, members_of({1}));
  membership.append(entry(5, members_of({1, 2})));
  membership.append(entry(7, members_of({1, 2, 3})));
  membership.applied(LogIndex{6});
  membership.cut_from(LogIndex{7});
  EXPECT_EQ(membership.current(), members_of({1, 2}));
}

}  // namespace
}  // namespace holdfast::raft
