#include "server/recover/judgement.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast::recover {
namespace {

using testing::HasSubstr;

raft::Members members(const std::vector<uint64_t>& voters,
                      const std::vector<uint64_t>& learners = {}) {
  raft::Members all;
  for (const uint64_t id : voters)
    all.list.push_back({{id}, fmt::format("n{}", id), fmt::format("h:{}", id), true});
  for (const uint64_t id : learners)
    all.list.push_back({{id}, fmt::format("n{}", id), fmt::format("h:{}", id), false});
  return all;
}

constexpr ClusterId kCluster{77};

// A sound directory of node `id`, in /ID.
Finding sound(uint64_t id, LogPosition last, uint64_t applied, raft::Members known,
              ClusterId cluster = kCluster) {
  Finding finding{.path = fmt::format("/{}", id)};
  finding.identity = Identity{{id}, fmt::format("n{}", id), cluster};
  finding.state = StateSummary{.applied = {last.term, {applied}}, .revision = {applied + 1}};
  finding.contents = Contents{.hard_state = {last.term, {}},
                              .before = {},
                              .last = last,
                              .members = std::move(known),
                              .torn_tail = {}};
  return finding;
}

Finding damaged(Finding finding) {
  finding.contents.reset();
  finding.problem = {Trouble::kDamaged, "a block is not what was written"};
  return finding;
}

Finding quarantined(Finding finding) {
  finding.contents->quarantine = "a block was not what was written";
  return finding;
}

LogPosition at(uint64_t index, uint64_t term) {
  return {{term}, {index}};
}

std::vector<std::string> names_at(const Judgement& judgement, Voter::Place place) {
  std::vector<std::string> names;
  for (const Voter* voter : judgement.voters_at(place)) names.push_back(voter->member.name);
  return names;
}

struct Expected {
  Verdict verdict;
  std::string best;  // path; empty: none
  Loss loss = Loss::kUnknown;
  uint64_t committed = 0;
  std::vector<std::string> missing = {};
  bool lacks_committed = false;
};

struct Case {
  const char* name;
  std::vector<Finding> findings;
  Expected expected;
};

void expect(const std::vector<Case>& cases) {
  for (const auto& [name, findings, expected] : cases) {
    SCOPED_TRACE(name);
    const Judgement judgement = judge(findings);
    EXPECT_EQ(judgement.verdict, expected.verdict);
    EXPECT_EQ(judgement.committed().index, LogIndex{expected.committed});
    if (expected.best.empty()) continue;
    EXPECT_EQ(judgement.best_finding().path, expected.best);
    EXPECT_EQ(judgement.loss, expected.loss);
    EXPECT_EQ(names_at(judgement, Voter::Place::kMissing), expected.missing);
    EXPECT_EQ(judgement.lacks_committed, expected.lacks_committed);
  }
}

TEST(Judgement, HowManyVotersAreHere) {
  const raft::Members three = members({1, 2, 3});
  const raft::Members four = members({1, 2, 3, 4});
  expect({
      {"nothing", {}, {Verdict::kNothingUsable, ""}},
      {"one of one is a majority",
       {sound(1, at(5, 1), 4, members({1}))},
       {Verdict::kMajorityHere, "/1", Loss::kNothing, 4}},
      {"two of three are a majority, whatever is in them",
       {sound(1, at(5, 2), 4, three), sound(3, at(9, 2), 2, three)},
       {Verdict::kMajorityHere, "/3", Loss::kNothing, 4, {"n2"}}},
      {"one of three",
       {sound(2, at(9, 2), 7, three)},
       {Verdict::kRecoverable, "/2", Loss::kUnknown, 7, {"n1", "n3"}}},
      {"a damaged log is no part of a majority, but its state was committed",
       {sound(2, at(9, 2), 7, three), damaged(sound(3, at(20, 2), 8, three))},
       {Verdict::kRecoverable, "/2", Loss::kUnknown, 8, {"n1"}}},
      {"only damaged ones",
       {damaged(sound(1, at(9, 2), 7, three))},
       {Verdict::kNothingUsable, "", Loss::kUnknown, 7}},
      {"half of four: every majority has one of them",
       {sound(1, at(7, 2), 7, four), sound(2, at(8, 2), 5, four)},
       {Verdict::kRecoverable, "/2", Loss::kNothingIfMembersStood, 7, {"n3", "n4"}}},
      {"one of two: so has every majority",
       {sound(1, at(7, 2), 7, members({1, 2}))},
       {Verdict::kRecoverable, "/1", Loss::kNothingIfMembersStood, 7, {"n2"}}},
      {"one of four",
       {sound(1, at(7, 2), 7, four)},
       {Verdict::kRecoverable, "/1", Loss::kUnknown, 7, {"n2", "n3", "n4"}}},
      {"the members are those of the longest log",
       {sound(1, at(7, 2), 7, three), sound(2, at(9, 2), 7, members({1, 2, 3, 4, 5}))},
       {Verdict::kRecoverable, "/2", Loss::kUnknown, 7, {"n3", "n4", "n5"}}},
  });
}

TEST(Judgement, WhichLogIsTheLongest) {
  const raft::Members three = members({1, 2, 3});
  const raft::Members five = members({1, 2, 3, 4, 5});
  const raft::Members with_learner = members({1, 2, 3}, {4});
  expect({
      {"the last term goes before the length",
       {sound(1, at(100, 2), 40, five), sound(5, at(50, 3), 40, five)},
       {Verdict::kRecoverable, "/5", Loss::kUnknown, 40, {"n2", "n3", "n4"}}},
      {"equal logs: the one with less to apply again",
       {sound(1, at(7, 2), 3, five), sound(2, at(7, 2), 5, five)},
       {Verdict::kRecoverable, "/2", Loss::kUnknown, 5, {"n3", "n4", "n5"}}},
      {"learners do not count, but may hold the longest log",
       {sound(1, at(7, 2), 7, with_learner), sound(4, at(8, 2), 7, with_learner)},
       {Verdict::kRecoverable, "/4", Loss::kUnknown, 7, {"n2", "n3"}}},
      {"so may a node that was removed",
       {sound(1, at(80, 4), 80, three), sound(9, at(90, 4), 90, three)},
       {Verdict::kRecoverable, "/9", Loss::kUnknown, 90, {"n2", "n3"}}},
      {"what a damaged log's state holds beyond the best log is lost for certain",
       {sound(2, at(9, 2), 7, three), damaged(sound(3, at(20, 2), 10, three))},
       {Verdict::kRecoverable, "/2", Loss::kUnknown, 10, {"n1"}, true}},
      {"a longer log lacks a committed entry of a later term than its own",
       {sound(2, at(20, 2), 7, three), damaged(sound(3, at(12, 3), 10, three))},
       {Verdict::kRecoverable, "/2", Loss::kUnknown, 10, {"n1"}, true}},
      {"a shorter log of a later term lacks it, too",
       {sound(2, at(9, 3), 7, three), damaged(sound(3, at(20, 2), 10, three))},
       {Verdict::kRecoverable, "/2", Loss::kUnknown, 10, {"n1"}, true}},
  });
}

TEST(Judgement, ALogInQuarantineVouchesForNothingAndIsAsSoundAsItIsLong) {
  const raft::Members three = members({1, 2, 3});
  expect({
      {"it is no part of a majority: nobody would be elected",
       {sound(1, at(9, 2), 7, three), quarantined(sound(2, at(8, 2), 7, three))},
       {Verdict::kRecoverable, "/1", Loss::kUnknown, 7, {"n3"}}},
      {"nor of what every majority has a part of",
       {quarantined(sound(1, at(7, 2), 7, members({1, 2})))},
       {Verdict::kRecoverable, "/1", Loss::kUnknown, 7, {"n2"}}},
      {"it may hold more than a whole one",
       {sound(1, at(8, 2), 7, three), quarantined(sound(2, at(9, 2), 7, three))},
       {Verdict::kRecoverable, "/2", Loss::kUnknown, 7, {"n3"}}},
      {"of equal ones the whole one is taken, whatever is applied",
       {quarantined(sound(1, at(9, 2), 8, three)), sound(2, at(9, 2), 7, three)},
       {Verdict::kRecoverable, "/2", Loss::kUnknown, 8, {"n3"}}},
      {"where no other is left it is what there is",
       {quarantined(sound(1, at(8, 2), 7, three)), quarantined(sound(2, at(9, 2), 7, three)),
        damaged(sound(3, at(9, 2), 7, three))},
       {Verdict::kRecoverable, "/2", Loss::kUnknown, 7}},
      {"beside a majority of whole ones it is not needed",
       {sound(1, at(8, 2), 7, three), sound(2, at(8, 2), 7, three),
        quarantined(sound(3, at(9, 2), 7, three))},
       {Verdict::kMajorityHere, "/3", Loss::kNothing, 7}},
  });
  const Judgement judgement =
      judge({sound(1, at(9, 2), 7, three), quarantined(sound(2, at(8, 2), 7, three))});
  EXPECT_EQ(names_at(judgement, Voter::Place::kHere), std::vector<std::string>{"n1"});
  EXPECT_EQ(names_at(judgement, Voter::Place::kQuarantined), std::vector<std::string>{"n2"});
}

TEST(Judgement, TheHighestTermIsThatOfAnyNodeAlsoWithoutEntries) {
  Finding voted = sound(1, at(3, 2), 1, members({1, 2, 3, 4, 5}));
  voted.contents->hard_state = {{9}, {1}};
  const Judgement judgement = judge({voted, sound(2, at(5, 3), 1, members({1, 2, 3, 4, 5}))});
  EXPECT_EQ(judgement.best_finding().path, "/2");
  EXPECT_EQ(judgement.term, Term{9});
}

TEST(Judgement, ADirectoryOfAnotherClusterThanTheFirstIsLeftOut) {
  const Judgement judgement = judge({sound(1, at(3, 2), 1, members({1, 2, 3})),
                                     sound(2, at(9, 3), 9, members({1, 2, 3}), ClusterId{78})});
  EXPECT_EQ(judgement.verdict, Verdict::kRecoverable);
  EXPECT_EQ(judgement.best_finding().path, "/1");
  EXPECT_EQ(judgement.cluster, kCluster);
  EXPECT_EQ(judgement.committed(), at(1, 2));
  ASSERT_TRUE(judgement.findings[1].problem);
  EXPECT_EQ(judgement.findings[1].problem->trouble, Trouble::kOtherCluster);
  EXPECT_EQ(names_at(judgement, Voter::Place::kMissing), (std::vector<std::string>{"n2", "n3"}));
}

// Two copies of one node's disk are one vote.
TEST(Judgement, OfTwoCopiesOfANodeTheOneThatSaysMoreCounts) {
  Finding older = sound(1, at(3, 2), 1, members({1, 2, 3}));
  older.path = "/old";
  for (const auto& findings : {std::vector{older, sound(1, at(4, 2), 1, members({1, 2, 3}))},
                               std::vector{sound(1, at(4, 2), 1, members({1, 2, 3})), older}}) {
    const Judgement judgement = judge(findings);
    EXPECT_EQ(judgement.verdict, Verdict::kRecoverable);
    EXPECT_EQ(judgement.best_finding().path, "/1");
    for (const Finding& finding : judgement.findings)
      EXPECT_EQ(finding.counts(), finding.path == "/1");
  }
  // Equal ones: the first.
  older.contents->last = at(4, 2);
  const Judgement judgement = judge({older, sound(1, at(4, 2), 1, members({1, 2, 3}))});
  EXPECT_EQ(judgement.best_finding().path, "/old");
  EXPECT_EQ(judgement.findings[1].problem->trouble, Trouble::kCopy);
}

TEST(Judgement, AVoterWhoseDirectoryIsHereButNotUsableIsNeitherHereNorMissing) {
  const Judgement judgement = judge({sound(1, at(3, 2), 1, members({1, 2, 3})),
                                     damaged(sound(2, at(3, 2), 1, members({1, 2, 3})))});
  EXPECT_EQ(names_at(judgement, Voter::Place::kHere), std::vector<std::string>{"n1"});
  EXPECT_EQ(names_at(judgement, Voter::Place::kUnusable), std::vector<std::string>{"n2"});
  EXPECT_EQ(names_at(judgement, Voter::Place::kMissing), std::vector<std::string>{"n3"});
}

TEST(Judgement, ARecoveryThatDidNotComeToItsEndIsSeen) {
  raft::Members alone{.list = {{{55}, "n1", "h:1", true}}, .removed = {{1}, {2}, {3}}};
  EXPECT_EQ(judge({sound(1, at(9, 5), 1, alone)}).verdict, Verdict::kBegun);
  // A member that was removed and left one other behind looks similar, and is none.
  raft::Members other{.list = {{{55}, "n7", "h:7", true}}, .removed = {{1}}};
  EXPECT_EQ(judge({sound(1, at(9, 5), 1, other)}).verdict, Verdict::kRecoverable);
  // Once IDENTITY has the new id, it is a cluster of one that can be started.
  Finding ended = sound(1, at(9, 5), 1, alone);
  ended.identity->node = {55};
  EXPECT_EQ(judge({ended}).verdict, Verdict::kMajorityHere);
}

TEST(Judgement, OnlyTheBestDirectoryMayBeChosenAndOnlyWithoutAMajority) {
  const raft::Members five = members({1, 2, 3, 4, 5});
  EXPECT_THAT(objection(judge({damaged(sound(1, at(3, 2), 1, five))}), "/1").value(),
              HasSubstr("no directory can be used"));
  EXPECT_THAT(objection(judge({sound(1, at(3, 2), 1, members({1}))}), "/1").value(),
              HasSubstr("no recovery is needed"));
  const Judgement judgement = judge({sound(1, at(3, 2), 1, five), sound(2, at(4, 2), 1, five),
                                     damaged(sound(3, at(4, 2), 1, five))});
  EXPECT_THAT(objection(judgement, "/1").value(), HasSubstr("/2 holds the longer log"));
  EXPECT_THAT(objection(judgement, "/3").value(), HasSubstr("cannot be used"));
  EXPECT_EQ(objection(judgement, "/2"), std::nullopt);
}

}  // namespace
}  // namespace holdfast::recover
