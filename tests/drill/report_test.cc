// What is made of a history: what clients felt, what is lost, and how it is said.

#include "bench/drill/report.h"

#include <initializer_list>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/drill/audit.h"
#include "bench/drill/charts.h"

namespace holdfast::drill {
namespace {

constexpr int64_t kMs = 1'000'000;

Operation put_at(History& history, int64_t start_ms, int64_t end_ms, Outcome outcome,
                 uint64_t revision) {
  Operation made{.client = history.names.number_of("c1"),
                 .kind = Kind::kPut,
                 .outcome = outcome,
                 .branch = outcome == Outcome::kOk ? Branch::kThen : Branch::kUntold,
                 .start = start_ms * kMs,
                 .end = outcome == Outcome::kUnknown ? kOpen : end_ms * kMs,
                 .revision = revision};
  made.then.push_back({.kind = Kind::kPut,
                       .key = history.names.number_of("k"),
                       .value = history.names.number_of("v" + std::to_string(revision))});
  return made;
}

Operation audit_of(History& history, uint64_t revision) {
  Operation made{.client = history.names.number_of("audit"),
                 .kind = Kind::kGet,
                 .branch = Branch::kThen,
                 .start = 1000 * kMs,
                 .end = 1001 * kMs};
  made.then.push_back({.kind = Kind::kGet,
                       .found = revision == 0 ? Found::kAbsent : Found::kPresent,
                       .key = history.names.number_of("k"),
                       .found_value = 0,
                       .found_revision = revision});
  return made;
}

TEST(Timeline, FindsThePauseThatEndedAfterTheFault) {
  History history;
  for (const int64_t start : {0, 10, 200, 210, 300, 900})
    history.operations.push_back(put_at(history, start, start + 4, Outcome::kOk, 1));
  history.operations.push_back(put_at(history, 305, 320, Outcome::kRefused, 0));
  history.operations.push_back(put_at(history, 306, 0, Outcome::kUnknown, 0));
  // A pause before the fault, which begins at 250, is none of its.
  const Timeline timeline = timeline_of(
      history, {.begin = 0, .fault_begin = 250 * kMs, .fault_end = 800 * kMs, .end = 1000 * kMs});
  ASSERT_EQ(timeline.kinds.size(), 2);
  const Felt& puts = timeline.kinds[0];
  EXPECT_EQ(puts.kind, "puts");
  EXPECT_EQ(puts.ok, 6);
  EXPECT_EQ(puts.refused, 1);
  EXPECT_EQ(puts.unknown, 1);
  EXPECT_DOUBLE_EQ(puts.last_ok_s, 0.304);
  EXPECT_DOUBLE_EQ(puts.first_ok_s, 0.904);
  EXPECT_DOUBLE_EQ(puts.pause_ms, 600);
  EXPECT_EQ(puts.before.count, 4);
  EXPECT_EQ(puts.during.count, 1);
  EXPECT_EQ(puts.after.count, 1);
  EXPECT_DOUBLE_EQ(puts.before.p99_ms, 4);
}

TEST(Timeline, AServiceThatNeverComesBackIsOnePauseToTheEnd) {
  History history;
  history.operations.push_back(put_at(history, 0, 4, Outcome::kOk, 1));
  const Timeline timeline = timeline_of(
      history, {.begin = 0, .fault_begin = 100 * kMs, .fault_end = 200 * kMs, .end = 1000 * kMs});
  EXPECT_DOUBLE_EQ(timeline.kinds[0].pause_ms, 996);
}

TEST(Audit, AnAcknowledgedChangeThatIsGoneIsLost) {
  for (const uint64_t found : std::initializer_list<uint64_t>{0, 5, 7}) {
    History history;
    history.operations.push_back(put_at(history, 0, 4, Outcome::kOk, 5));
    history.operations.push_back(put_at(history, 10, 14, Outcome::kOk, 6));
    history.operations.push_back(audit_of(history, found));
    EXPECT_EQ(lost_changes(history, "audit").size(), found == 7 ? 0 : 1) << found;
  }
}

TEST(Audit, WhatAnUnansweredDeleteMayHaveRemovedIsNotLost) {
  History history;
  history.operations.push_back(put_at(history, 0, 4, Outcome::kOk, 5));
  Operation remove{.client = history.names.number_of("c2"),
                   .kind = Kind::kDelete,
                   .outcome = Outcome::kUnknown,
                   .start = 1};
  remove.then.push_back({.kind = Kind::kDelete, .key = history.names.number_of("k")});
  history.operations.push_back(std::move(remove));
  history.operations.push_back(audit_of(history, 0));
  EXPECT_THAT(lost_changes(history, "audit"), testing::IsEmpty());
}

TEST(Audit, AKeyThatCouldNotBeReadIsNotTakenForOneThatIsThere) {
  History history;
  history.operations.push_back(put_at(history, 0, 4, Outcome::kOk, 5));
  // A drill whose audit did not come to the key.
  EXPECT_THAT(unread_keys(history, "audit"), testing::ElementsAre("k"));
  for (const Outcome outcome : {Outcome::kUnknown, Outcome::kRefused}) {
    Operation read = audit_of(history, 0);
    read.outcome = outcome;
    history.operations.push_back(std::move(read));
    EXPECT_THAT(unread_keys(history, "audit"), testing::ElementsAre("k"));
    EXPECT_THAT(lost_changes(history, "audit"), testing::IsEmpty());
  }
  history.operations.push_back(audit_of(history, 5));
  EXPECT_THAT(unread_keys(history, "audit"), testing::IsEmpty());
}

TEST(Audit, AReadOfAClientIsNotOneOfTheAudit) {
  History history;
  Operation read = audit_of(history, 5);
  read.client = history.names.number_of("c1");
  history.operations.push_back(std::move(read));
  EXPECT_THAT(unread_keys(history, "audit"), testing::ElementsAre("k"));
}

TEST(Audit, NodesThatDifferAreToldFromThoseThatDoNotAnswer) {
  const NodeEnd one{.name = "n1", .untold = "", .revision = 5, .rows = 2, .digest = "a"};
  NodeEnd other = one;
  EXPECT_EQ(agreement_of({one, other}), Agreement::kEqual);
  other.digest = "b";
  EXPECT_EQ(agreement_of({one, other}), Agreement::kDiffer);
  // The same rows, and something else differs.
  other = one;
  other.state_hash = "x";
  EXPECT_EQ(agreement_of({one, other}), Agreement::kEqual);  // the other knows none yet
  NodeEnd third = other;
  third.state_hash = "y";
  EXPECT_EQ(agreement_of({one, other, third}), Agreement::kDiffer);
  third.state_hash_index = 7;
  EXPECT_EQ(agreement_of({one, other, third}), Agreement::kEqual);
  const NodeEnd silent{.name = "n3", .untold = "no answer"};
  EXPECT_EQ(agreement_of({one, silent}), Agreement::kUntold);
  EXPECT_EQ(agreement_of({silent, one}), Agreement::kUntold);
  // Two that differ do so whatever a third would say.
  other = one;
  other.digest = "b";
  EXPECT_EQ(agreement_of({silent, one, other}), Agreement::kDiffer);
  EXPECT_EQ(agreement_of({}), Agreement::kUntold);
}

Report sound() {
  Report report{.drill = "d",
                .acknowledged = 3,
                .ends = {{.name = "n1", .untold = "", .digest = "a"}},
                .agreement = Agreement::kEqual};
  report.verdict.operations = 10;
  return report;
}

TEST(Report, ExitsByTheWorstThatWasFound) {
  EXPECT_EQ(sound().exit(), Exit::kClean);
  EXPECT_THAT(spoken(sound()), testing::HasSubstr("no violation found in 10 operations"));
  EXPECT_THAT(spoken(sound()), testing::Not(testing::HasSubstr("proved")));
  Report report = sound();
  report.verdict.undecided.emplace_back("k");
  EXPECT_EQ(report.exit(), Exit::kUndecided);
  report.problem = "n1 ended by itself";
  EXPECT_EQ(report.exit(), Exit::kFailed);
  report.lost.emplace_back("put k");
  EXPECT_EQ(report.exit(), Exit::kViolation);
  report = sound();
  report.agreement = Agreement::kDiffer;
  EXPECT_EQ(report.exit(), Exit::kViolation);
  report = sound();
  report.verdict.violations.emplace_back();
  EXPECT_EQ(report.exit(), Exit::kViolation);
  // A drill in which nothing was acknowledged has shown nothing.
  report = sound();
  report.acknowledged = 0;
  EXPECT_EQ(report.exit(), Exit::kFailed);
}

TEST(Report, WhatCouldNotBeLookedAtIsNoPass) {
  EXPECT_THAT(blind_spots(sound()), testing::IsEmpty());
  Report report = sound();
  report.unread = {"a", "b", "c", "d"};
  EXPECT_EQ(report.exit(), Exit::kFailed);
  EXPECT_THAT(spoken(report), testing::HasSubstr("4 keys could not be read at the end"));
  EXPECT_THAT(spoken(report), testing::EndsWith("a, b, c, …"));
  report = sound();
  report.ends.push_back({.name = "n2", .untold = "no answer: refused"});
  report.agreement = agreement_of(report.ends);
  EXPECT_EQ(report.exit(), Exit::kFailed);
  EXPECT_THAT(spoken(report),
              testing::HasSubstr("n2 does not tell what it holds (no answer: refused)"));
  report.lost.emplace_back("put k");
  EXPECT_EQ(report.exit(), Exit::kViolation);
}

TEST(Page, WhereNothingWasAnsweredNoLatencyIsDrawn) {
  Report report = sound();
  report.window = {.begin = 0, .fault_begin = 1, .fault_end = 2, .end = 400 * kMs};
  report.timeline.buckets = {{.reads = 1, .p50_ms = 1, .p99_ms = 10},
                             {.reads = 1, .p50_ms = 1, .p99_ms = 10},
                             {.failed = 1},
                             {.writes = 1, .p50_ms = 1, .p99_ms = 10}};
  const std::string chart = latency_chart(report);
  EXPECT_THAT(chart, testing::ContainsRegex(
                         R"(path class="p50" d="M125.0 [0-9.]+h0L375.0 [0-9.]+M875.0 [0-9.]+h0")"));
}

TEST(Page, EscapesWhatItShows) {
  Report report = sound();
  report.problem = "<script>alert(1)</script>";
  EXPECT_THAT(page_of({report}), testing::Not(testing::HasSubstr("<script>")));
  EXPECT_EQ(html_escaped(R"(a<b>"&)"), "a&lt;b&gt;&quot;&amp;");
}

}  // namespace
}  // namespace holdfast::drill
