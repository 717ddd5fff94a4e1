#include "server/recover/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace holdfast::recover {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::vector<Place> kPlaces = {{"/one", ""}, {"/two", "/fast"}, {"/three", ""}};

// n2 holds the longest log, up to entry 9; n3's log is damaged.
std::vector<Finding> findings(uint64_t applied_by_damaged) {
  raft::Members members;
  for (uint64_t id = 1; id <= 5; ++id)
    members.list.push_back({{id}, "n" + std::to_string(id), "h:" + std::to_string(id), true});
  std::vector<Finding> all;
  for (uint64_t id = 1; id <= 3; ++id) {
    Finding finding{.path = kPlaces[id - 1].data_dir};
    finding.identity = Identity{{id}, "n" + std::to_string(id), ClusterId{0xc}};
    finding.state = StateSummary{.applied = {{2}, {5}}, .revision = {4}};
    finding.contents = Contents{.hard_state = {{2}, {4}},
                                .before = {},
                                .last = {{2}, {7 + id}},
                                .members = members,
                                .torn_tail = {}};
    all.push_back(finding);
  }
  all[1].contents->torn_tail = TornTail{.file = "f", .offset = 4096, .bytes = 8192};
  all[2].contents.reset();
  all[2].state->applied.index = {applied_by_damaged};
  all[2].state->revision = {applied_by_damaged - 1};
  all[2].problem = {Trouble::kDamaged, "a block is not what was written"};
  return all;
}

TEST(Report, SaysWhatIsCertainWhatMayBecomeRealAndWhatMayBeLost) {
  const std::string text = plan_text(judge(findings(5)), kPlaces);
  for (const char* part :
       {"entries 1 to 9, the last of term 2; it was in term 2 and voted for n4",
        "8192 bytes of a write", "NOT USABLE    a block is not what was written",
        "of 5 voters 3 are needed. Usable: n1, n2. Not usable: n3. Missing: n4, n5.",
        "everything up to entry 5 (revision 4)", "entries 6 to 9.", "cannot be known from here",
        "told to have revision 4 or less is there",
        "holdfast recover --apply /two /one /three --log-dir /two=/fast\n"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_THAT(text, Not(HasSubstr("LOST")));
  EXPECT_THAT(text, Not(HasSubstr("put aside")));
}

TEST(Report, WhatWasPutAsideIsNamedAndWhatItMayHold) {
  std::vector<Finding> all = findings(5);
  all[1].contents->quarantine = "f is damaged at byte 4096";
  all[1].remarks = {{"/two/log/*.damaged", "entries may be there", true}};
  const Judgement judgement = judge(all);
  const std::string text = plan_text(judgement, kPlaces);
  for (const char* part :
       {"IN QUARANTINE its log ends before entries that it had acknowledged",
        "it does not vote. What is left of it is sound. f is damaged at byte 4096\n",
        "beside it     /two/log/*.damaged: entries may be there\n",
        "Usable: n1. In quarantine: n2. Not usable: n3. Missing: n4, n5.",
        "is in /two, up to entry 9 of term 2, though it is in quarantine",
        "acknowledged and lies on the missing or damaged voters only",
        "Some may lie in what was put aside"})
    EXPECT_THAT(text, HasSubstr(part));
  const auto json = nlohmann::json::parse(as_json(judgement, {}));
  EXPECT_EQ(json.at("voters").at(1).at("place"), "quarantined");
  EXPECT_EQ(json.at("directories").at(1).at("quarantine"), "f is damaged at byte 4096");
  EXPECT_EQ(json.at("directories").at(1).at("remarks").at(0).at("path"), "/two/log/*.damaged");
  EXPECT_TRUE(json["directories"][1]["remarks"][0].at("may_hold_acknowledged").get<bool>());
}

TEST(Report, WhatIsLostForCertainIsSaid) {
  const Judgement judgement = judge(findings(12));
  const std::string text = plan_text(judgement, kPlaces);
  EXPECT_THAT(text, HasSubstr("up to entry 12"));
  EXPECT_THAT(text, HasSubstr("LOST       this log does not reach that far"));
  EXPECT_THAT(text, Not(HasSubstr("the tail")));
  EXPECT_THAT(text, HasSubstr("told to have revision 4 or less is there"));  // by the best log
  EXPECT_TRUE(nlohmann::json::parse(as_json(judgement, {})).at("lacks_committed").get<bool>());
}

TEST(Report, ARecoveryThatWasBegunIsToBeFinished) {
  std::vector<Finding> all = findings(5);
  all[1].contents->members = {.list = {{{55}, "n2", "h:2", true}}, .removed = {{2}}};
  const std::string text = plan_text(judge(all), kPlaces);
  EXPECT_THAT(text, HasSubstr("did not come to its end"));
  EXPECT_THAT(text, HasSubstr("holdfast recover --apply /two"));
}

TEST(Report, JsonHoldsTheSame) {
  const auto json = nlohmann::json::parse(as_json(judge(findings(5)), {.refused = "why"}));
  EXPECT_EQ(json.at("verdict"), "recoverable");
  EXPECT_EQ(json.at("cluster_id"), "000000000000000c");
  EXPECT_EQ(json.at("best"), "/two");
  EXPECT_EQ(json.at("majority"), 3);
  EXPECT_EQ(json.at("certain").at("index"), 5);
  EXPECT_EQ(json.at("acknowledged_and_lost"), "unknown");
  EXPECT_EQ(json.at("refused"), "why");
  EXPECT_EQ(json.at("directories").at(1).at("log").at("last").at("index"), 9);
  EXPECT_EQ(json.at("directories").at(1).at("log").at("torn_bytes"), 8192);
  EXPECT_EQ(json.at("directories").at(2).at("problem").at("kind"), "damaged");
  EXPECT_EQ(json.at("voters").at(2).at("place"), "unusable");
}

}  // namespace
}  // namespace holdfast::recover
