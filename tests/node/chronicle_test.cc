// What a node tells of itself and its cluster, from what it says of itself before and after.

#include "server/chronicle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

using raft::HandoverCause;
using raft::Role;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr NodeId kFirst{1};
constexpr NodeId kSecond{2};
constexpr NodeId kThirdMember{3};

class ChronicleTest : public testing::Test {
 protected:
  ChronicleTest() {
    status.raft = {.role = Role::kFollower, .term = {3}, .leader = kSecond};
    status.self = kFirst;
    status.members.list = {{kFirst, "n1", "127.0.0.1:1", true},
                           {kSecond, "n2", "127.0.0.1:2", true},
                           {kThirdMember, "n3", "127.0.0.1:3", true}};
    chronicle.note_members(status.members);
  }

  // As "kind: text", what was told since.
  std::vector<std::string> told() {
    std::vector<std::string> all;
    for (const Events::Kept& kept : events.behind(seen_, Events::kKeptMax)) {
      all.push_back(std::string(name_of(kept.event.kind)) + ": " + kept.event.text);
      seen_ = kept.number;
    }
    return all;
  }
  std::vector<std::string> after(const raft::RoleChange& change) {
    chronicle.note_roles({change}, status.members);
    return told();
  }
  std::vector<std::string> noted() {
    chronicle.note(status, clock.now() + time_);
    return told();
  }
  Event newest() const { return events.behind(events.newest() - 1, 1).front().event; }
  void lead() {
    status.raft.role = Role::kLeader;
    status.raft.leader = kFirst;
    for (const NodeId id : {kSecond, kThirdMember})
      status.raft.followers.push_back({.id = id,
                                       .match = {},
                                       .last_contact = clock.now(),
                                       .streaming = true,
                                       .in_flight_bytes = 0,
                                       .receives_snapshot = false,
                                       .short_of_room = false});
  }

  SystemClock clock;
  Events events{clock, 1};
  Chronicle chronicle{events};
  NodeStatus status;
  Duration time_{};

 private:
  uint64_t seen_ = 0;
};

TEST_F(ChronicleTest, TellsOfElectionsAndRolesWithTheirTerms) {
  EXPECT_THAT(after({Role::kCandidate, {3}, {}}), ElementsAre("election: candidate in term 3"));
  EXPECT_THAT(after({Role::kLeader, {4}, kFirst}), ElementsAre("role: leader in term 4"));
  EXPECT_EQ(events.behind(0, 9).back().term, Term{4});
  EXPECT_THAT(after({Role::kFollower, {5}, {}}),
              ElementsAre("role: follower in term 5 without a leader"));
  EXPECT_THAT(after({Role::kFollower, {5}, kSecond}),
              ElementsAre("role: follower in term 5 of n2"));
  EXPECT_THAT(after({Role::kFollower, {6}, {0xab}}),
              ElementsAre("role: follower in term 6 of 00000000000000ab"));
}

TEST_F(ChronicleTest, TellsToWhomAndWhyALeaderHandsOver) {
  after({Role::kLeader, {4}, kFirst});
  EXPECT_THAT(
      after({Role::kLeader, {4}, kFirst, raft::HandoverTo{kSecond, HandoverCause::kSilentDisk}}),
      ElementsAre("handover: this leader hands over to n2: its disk has stopped answering"));
  EXPECT_EQ(newest().fields,
            (decltype(Event::fields){{"stage", "begins"}, {"to", "n2"}, {"cause", "silent_disk"}}));
  EXPECT_THAT(after({Role::kLeader, {4}, kFirst}),
              ElementsAre("handover: this leader goes on: n2 did not take over in time"));
  after({Role::kLeader, {4}, kFirst, raft::HandoverTo{kSecond, HandoverCause::kAsked}});
  EXPECT_THAT(after({Role::kFollower, {5}, kSecond}),
              ElementsAre("role: follower in term 5 of n2"));
}

TEST_F(ChronicleTest, TellsOfMembersThatComeGoVoteAndMove) {
  raft::Members members = status.members;
  members.list.push_back({{4}, "n4", "127.0.0.1:4", false});
  const auto next = [&] {
    chronicle.note_members(members);
    return told();
  };
  EXPECT_THAT(next(), ElementsAre("membership: n4 is a member now, as a learner"));
  EXPECT_THAT(next(), IsEmpty());
  members.list[3].voter = true;
  EXPECT_THAT(next(), ElementsAre("membership: n4 votes now"));
  members.list[3].peer_address = "127.0.0.1:5";
  EXPECT_THAT(next(), ElementsAre("membership: n4 is reached at 127.0.0.1:5 now"));
  members.list.erase(members.list.begin());
  EXPECT_THAT(next(), ElementsAre("membership: n1 is no member any more"));
}

TEST_F(ChronicleTest, TellsThatTheDiskFallsSilentAndAnswers) {
  EXPECT_THAT(noted(), IsEmpty());
  status.raft.fenced = true;
  EXPECT_THAT(noted(),
              ElementsAre("fence: the disk of this node has stopped answering: it takes no "
                          "requests, and does not lead, until it answers"));
  EXPECT_EQ(newest().level, LogLevel::kError);
  EXPECT_THAT(noted(), IsEmpty());
  status.raft.fenced = false;
  EXPECT_THAT(noted(), ElementsAre("fence: the disk of this node answers again"));
}

TEST_F(ChronicleTest, TellsThatGrowthIsRefusedAsLongAsSomebodyLeads) {
  status.raft.refuses_growth = true;
  EXPECT_THAT(noted().size(), 1U);
  EXPECT_EQ(newest().kind, EventKind::kGrowth);
  status.raft.leader = {};
  status.raft.refuses_growth = false;
  EXPECT_THAT(noted(), IsEmpty()) << "nobody says so";
  status.raft.leader = kThirdMember;
  EXPECT_THAT(noted(), ElementsAre("growth: growing writes are taken again: the disks of the "
                                   "cluster have room"));
}

TEST_F(ChronicleTest, TellsOfAMemberThatDoesNotAnswerOnceAndThatItDoes) {
  lead();
  EXPECT_THAT(noted(), IsEmpty());
  time_ = milliseconds(900);
  EXPECT_THAT(noted(), IsEmpty());
  status.raft.followers[0].last_contact += milliseconds(500);
  time_ = milliseconds(1100);
  EXPECT_THAT(noted(), ElementsAre("contact: n3 does not answer its leader any more"));
  EXPECT_THAT(noted(), IsEmpty());
  status.raft.followers[1].last_contact += milliseconds(1100);
  EXPECT_THAT(noted(), ElementsAre("contact: n3 answers its leader again"));
  time_ = milliseconds(1600);
  EXPECT_THAT(noted(), ElementsAre("contact: n2 does not answer its leader any more"));
  status.raft.role = Role::kFollower;
  status.raft.followers.clear();
  EXPECT_THAT(noted(), IsEmpty()) << "who leads no more does not know";
}

TEST_F(ChronicleTest, AMemberThatIsRemovedWhileItIsSilentHasNotComeBack) {
  lead();
  time_ = milliseconds(1100);
  EXPECT_EQ(noted().size(), 2U);
  status.members.list.pop_back();
  status.raft.followers.pop_back();
  EXPECT_THAT(noted(), IsEmpty());
}

TEST_F(ChronicleTest, TellsWhoseStateDiffersAndThatItIsMadeGood) {
  auto check = std::make_shared<HashCheck>();
  check->index = {90};
  status.check = check;
  status.agreement.majority = 5;
  status.agreement.outvoted = {kThirdMember};
  EXPECT_THAT(noted(), ElementsAre("agreement: the state of n3 differs from the majority's behind "
                                   "entry 90: it is not to be relied on"));
  EXPECT_THAT(noted(), IsEmpty());
  // A newer check, on which no majority has reported yet, says nothing.
  status.agreement = {};
  EXPECT_THAT(noted(), IsEmpty());
  status.agreement.majority = 6;
  EXPECT_THAT(noted(), ElementsAre("agreement: the state of n3 is the majority's again, or gone"));
  status.agreement = {};
  status.agreement.is_split = true;
  EXPECT_EQ(noted().size(), 1U);
  EXPECT_EQ(newest().level, LogLevel::kError);
}

}  // namespace
}  // namespace holdfast
