// Who judges the judge: each verdict has a history that brings it, and a twin, one detail away,
// that brings none.

#include "tests/sim/oracle.h"

#include <gtest/gtest.h>

namespace holdfast::sim {
namespace {

constexpr NodeId kNode{1};

// A history and a log, in the making. Time counts in whole nanoseconds.
struct Story {
  History history;
  std::vector<EntryPtr> log;

  Operation& ask(int called, int returned, uint64_t client = 0) {
    Operation operation;
    operation.client = client;
    operation.node = kNode;
    operation.life = 1;
    operation.key = "k";
    operation.request = RequestId{history.size() + 1};
    operation.called = Instant(Duration(called));
    operation.returned = Instant(Duration(returned));
    operation.outcome = Outcome::kOk;
    history.push_back(operation);
    return history.back();
  }

  Operation& put(const std::string& value, int called, int returned, uint64_t client = 0) {
    Operation& put = ask(called, returned, client);
    put.kind = ActKind::kChange;
    put.command = Command{.act = PutCommand{"k", value, {}}};
    return put;
  }

  // A put that was told `revision`, and made the key if `created`.
  Operation& put_ok(const std::string& value, int called, int returned, uint64_t revision,
                    bool created) {
    Operation& done = put(value, called, returned);
    done.revision = Revision{revision};
    done.reply = {.revision = Revision{revision}, .created = created};
    return done;
  }

  // A read at `revision` that found what the put of that version wrote; empty: nothing.
  Operation& read(const std::string& value, uint64_t mod_revision, uint64_t version,
                  uint64_t revision, int called, int returned) {
    Operation& read = ask(called, returned);
    read.kind = ActKind::kRead;
    read.revision = Revision{revision};
    if (!value.empty())
      read.found = Row{{.create_revision = Revision{2},
                        .mod_revision = Revision{mod_revision},
                        .version = version,
                        .hash = 7},
                       value};
    return read;
  }

  void commit(uint64_t request, uint64_t term = 1) {
    commit(request, *history.at(request - 1).command, term);
  }
  void commit(uint64_t request, const Command& command, uint64_t term = 1,
              uint64_t cluster_ms = 0) {
    log.push_back(std::make_shared<const LogEntry>(LogEntry{LogIndex{log.size() + 1},
                                                            Term{term},
                                                            EntryKind::kCommand,
                                                            {kNode, RequestId{request}},
                                                            encode_command(command),
                                                            {cluster_ms, 0}}));
  }

  std::string verdict() const {
    const Judgement judgement = judge(history, log);
    return judgement.verdict ? judgement.verdict->rule : "";
  }
};

// Two puts, one after the other, both acknowledged and in the log.
Story two_puts() {
  Story story;
  story.put_ok("a", 1, 2, 2, true);
  story.put_ok("b", 3, 4, 3, false);
  story.commit(1);
  story.commit(2);
  return story;
}

TEST(Oracle, HasNothingAgainstNothing) {
  EXPECT_EQ(Story().verdict(), "");
  EXPECT_EQ(two_puts().verdict(), "");
}

TEST(Oracle, Lost) {
  Story story = two_puts();
  story.log.pop_back();
  EXPECT_EQ(story.verdict(), "lost");

  story.history.back().outcome = Outcome::kUnknown;
  EXPECT_EQ(story.verdict(), "");
}

TEST(Oracle, UnknownThenSeenIsAllowedAndCounted) {
  Story story = two_puts();
  EXPECT_EQ(judge(story.history, story.log).unknown_then_seen, 0u);
  story.history.back().outcome = Outcome::kUnknown;
  EXPECT_EQ(story.verdict(), "");
  EXPECT_EQ(judge(story.history, story.log).unknown_then_seen, 1u);
}

TEST(Oracle, RefusedThenSeen) {
  Story story = two_puts();
  story.history.back().outcome = Outcome::kRefused;
  EXPECT_EQ(story.verdict(), "refused, then seen");

  story.log.pop_back();
  EXPECT_EQ(story.verdict(), "");
}

// A key that lives a second from 5,000 ms on, an expiry at `cluster_ms`, and a read that finds it.
Story key_with_a_time(uint64_t cluster_ms) {
  Story story;
  Operation& put = story.put_ok("a", 1, 2, 2, true);
  std::get<PutCommand>(put.command->act).ttl_ms = 1'000;
  story.commit(1, *put.command, 1, 5'000);
  story.commit(UINT64_MAX, Command{.act = ExpireCommand{}}, 1, cluster_ms);
  return story;
}

TEST(Oracle, WhatHasATimeIsThereUntilItIsOver) {
  for (const uint64_t now : {5'999U, 6'000U}) {
    const bool is_over = now == 6'000;
    Story story = key_with_a_time(now);
    story.read("a", 2, 1, 2, 3, 4).found->info.bond = Bond::until(6'000);
    EXPECT_EQ(story.verdict(), "") << "at revision 2 it was there";

    Story late = key_with_a_time(now);
    late.read("", 0, 0, 3, 3, 4);
    EXPECT_EQ(late.verdict(), is_over ? "" : "phantom") << "nothing ended it: no revision 3";
  }
  Story otherwise = key_with_a_time(5'500);
  otherwise.read("a", 2, 1, 2, 3, 4).found->info.bond = Bond::until(6'001);
  EXPECT_NE(otherwise.verdict(), "") << "its time is part of the row";
}

TEST(Oracle, AKeptLeaseLivesAndAnEndedOneDoesNot) {
  for (const bool kept : {true, false}) {
    Story story;
    Operation& grant = story.put("", 1, 2);
    grant.command = Command{.act = GrantLeaseCommand{{7}, 1'000}};
    grant.revision = {1};
    grant.reply = {.revision = {1}, .ttl_ms = 1'000, .lease = {7}};
    story.commit(1, *grant.command, 1, 5'000);
    if (!kept) story.commit(UINT64_MAX, Command{.act = ExpireCommand{}}, 1, 6'500);
    Operation& keep = story.put("", 3, 4);
    keep.command = Command{.act = KeepLeaseAliveCommand{{7}}};
    keep.revision = {1};
    keep.reply = {.revision = {1}, .ttl_ms = 1'000, .lease = {7}};
    story.commit(2, *keep.command, 1, 6'500);
    EXPECT_EQ(story.verdict(), kept ? "" : "wrong answer");
  }
}

TEST(Oracle, AReadOfThePastIsJudgedAtItsRevision) {
  Story story = two_puts();
  story.commit(UINT64_MAX, Command{.act = CompactCommand{}});
  story.commit(UINT64_MAX, Command{.act = HashCheckCommand{}});
  story.read("a", 2, 1, 2, 9, 10).kind = ActKind::kPastRead;
  EXPECT_EQ(story.verdict(), "") << "however much was acknowledged before";
  story.read("a", 2, 1, 3, 9, 10).kind = ActKind::kPastRead;
  EXPECT_EQ(story.verdict(), "stale");
}

TEST(Oracle, Doubled) {
  Story story = two_puts();
  story.commit(2);
  EXPECT_EQ(story.verdict(), "doubled");
}

TEST(Oracle, PhantomEntry) {
  Story story = two_puts();
  story.commit(3, *story.history.front().command);
  EXPECT_EQ(story.verdict(), "phantom") << "of no request";

  Story other = two_puts();
  other.put("c", 5, 6).outcome = Outcome::kUnknown;
  other.commit(3, Command{.act = PutCommand{"k", "d", {}}});
  EXPECT_EQ(other.verdict(), "phantom") << "not what was asked";

  Story good = two_puts();
  good.put("c", 5, 6).outcome = Outcome::kUnknown;
  good.commit(3);
  EXPECT_EQ(good.verdict(), "");
}

TEST(Oracle, PhantomRead) {
  Story good = two_puts();
  good.read("b", 3, 2, 3, 5, 6);
  EXPECT_EQ(good.verdict(), "");

  Story story = two_puts();
  story.read("never written", 3, 2, 3, 5, 6);
  EXPECT_EQ(story.verdict(), "phantom") << "a value that nobody wrote";

  Story ahead = two_puts();
  ahead.read("b", 3, 2, 4, 5, 6);
  EXPECT_EQ(ahead.verdict(), "phantom") << "a revision that the log does not make";

  Story wrong_version = two_puts();
  wrong_version.read("b", 3, 7, 3, 5, 6);
  EXPECT_EQ(wrong_version.verdict(), "phantom") << "a version that the row never had";
}

TEST(Oracle, StaleContent) {
  Story older = two_puts();
  older.read("a", 2, 1, 3, 5, 6);
  EXPECT_EQ(older.verdict(), "stale") << "says it is at revision 3 and shows what was at 2";

  Story nothing = two_puts();
  nothing.read("", 0, 0, 3, 5, 6);
  EXPECT_EQ(nothing.verdict(), "stale") << "shows what was before all";
}

TEST(Oracle, StaleInTime) {
  Story story = two_puts();
  story.read("a", 2, 1, 2, 5, 6);
  EXPECT_EQ(story.verdict(), "stale") << "revision 3 had been told before it was called";

  Story overlapping = two_puts();
  overlapping.read("a", 2, 1, 2, 3, 6);
  EXPECT_EQ(overlapping.verdict(), "") << "the second put had not returned";

  Story local = two_puts();
  local.read("a", 2, 1, 2, 5, 6).kind = ActKind::kLocalRead;
  EXPECT_EQ(local.verdict(), "") << "a local read may lie behind";

  Story two_reads = two_puts();
  two_reads.history.back().returned = Instant(Duration(9));
  two_reads.read("b", 3, 2, 3, 5, 6);
  two_reads.read("a", 2, 1, 2, 7, 8);
  EXPECT_EQ(two_reads.verdict(), "stale") << "what one read has seen, a later one sees";
}

TEST(Oracle, Early) {
  // The second put begins when the first has returned, and comes before it in the log.
  Story story;
  story.put_ok("a", 1, 2, 3, false).client = 1;
  story.put_ok("b", 3, 4, 2, true).client = 2;
  story.commit(2);
  story.commit(1);
  EXPECT_EQ(story.verdict(), "early");

  story.history.back().called = Instant(Duration(1));
  EXPECT_EQ(story.verdict(), "");
}

TEST(Oracle, WrongAnswer) {
  Story story = two_puts();
  story.history.back().reply.created = true;
  EXPECT_EQ(story.verdict(), "wrong answer");
}

TEST(Oracle, Overtaken) {
  // Both wait at the same time; nothing is wrong with their order in real time.
  const auto crossed = [](uint64_t second_client, uint64_t second_life, uint64_t first_term = 1) {
    Story story;
    story.put("a", 1, 8).outcome = Outcome::kUnknown;
    Operation& second = story.put_ok("b", 2, 7, 2, true);
    second.client = second_client;
    second.life = second_life;
    story.commit(2);
    story.commit(1, first_term);
    return story;
  };
  EXPECT_EQ(crossed(0, 1).verdict(), "overtaken");
  EXPECT_EQ(crossed(0, 1, 2).verdict(), "overtaken") << "whoever led";
  EXPECT_EQ(crossed(1, 1).verdict(), "") << "clients have no order among each other";
  EXPECT_EQ(crossed(0, 2).verdict(), "") << "a request sent before a crash may come later";
}

TEST(Oracle, ConditionsAreDecidedAnew) {
  const auto conditional = [](uint64_t wants_revision) {
    Story story = two_puts();
    Operation& put = story.put("c", 5, 6);
    put.command =
        Command{.act = PutCommand{
                    "k",
                    "c",
                    {{.kind = Condition::Kind::kMatch, .revisions = {Revision{wants_revision}}}}}};
    put.revision = Revision{4};
    put.reply = {.revision = Revision{4}};
    story.commit(3);
    return story;
  };
  EXPECT_EQ(conditional(3).verdict(), "");
  EXPECT_EQ(conditional(2).verdict(), "wrong answer") << "it was told ok, and did not match";
}

}  // namespace
}  // namespace holdfast::sim
