#include "server/join.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/scripted_server_fixture.h"

namespace holdfast {
namespace {

using Kind = Step::Kind;
using testing::HasSubstr;

const std::string kTaken = http_answer(201, R"({"cluster_id":"0000000000000abc","members":[
    {"name":"n4","id":"0000000000000007","peer":"h4:1","voter":true},
    {"name":"n1","id":"0000000000000001","peer":"h1:1","voter":true}]})");
const std::string kNotReady = problem_answer(503, "not_ready", "not_applied", true);

std::string conflict(bool retryable) {
  return http_answer(409, std::string(R"({"code":"conflict","detail":"n4 is there already",)") +
                              R"("retryable":)" + (retryable ? "true}" : "false}"));
}

class JoinTest : public testing::Test {
 protected:
  // `tries`: pauses after which it is told to stop.
  Result<std::optional<Entered>> join(std::vector<std::string> urls, int tries = 100,
                                      ClusterId cluster = {}) {
    return joiner(std::move(urls), tries)
        .ask({.node = NodeId{7},
              .name = "n4",
              .peer_address = "h4:1",
              .client_url = "http://h4:2",
              .stays_learner = false,
              .cluster = cluster});
  }
  Result<Removal> remove(std::vector<std::string> urls, int tries = 100) {
    return joiner(std::move(urls), tries)
        .remove({.old_id = NodeId{7}, .cluster = ClusterId{0xabc}, .about_to_ask = [this] {
                   ++told_;
                   return may_be_told_ ? Result<>() : fail(ErrorCode::kIo, "no room");
                 }});
  }
  Joiner joiner(std::vector<std::string> urls, int tries) {
    return {std::move(urls), clock_, Random(1), [this, tries](Duration pause) {
              if (pause > Duration::zero()) pauses_.push_back(pause);
              return static_cast<int>(pauses_.size()) <= tries;
            }};
  }

  SystemClock clock_;
  std::vector<Duration> pauses_;
  int told_ = 0;  // that the cluster is about to be asked
  bool may_be_told_ = true;
};

// Whatever it was made since, it is a learner until its own log says more.
TEST_F(JoinTest, TheAnswerIsWhoBelongsToTheCluster) {
  ScriptedServer server({{Kind::kAnswer, kTaken}});
  const auto entered = join({server.endpoint().url()});
  ASSERT_TRUE(entered.has_value() && *entered);
  EXPECT_EQ((*entered)->cluster, ClusterId{0xabc});
  const std::vector<raft::Member> members = {{NodeId{1}, "n1", "h1:1", true},
                                             {NodeId{7}, "n4", "h4:1", false}};
  EXPECT_EQ((*entered)->members.list, members);
  EXPECT_TRUE(server.requests().at(0).starts_with("POST /v1/cluster/members"));
}

TEST_F(JoinTest, TheNextOneIsAskedWhereOneIsSilentOrNotReady) {
  ScriptedServer first({{Kind::kAnswer, kNotReady}});
  ScriptedServer second({{Kind::kCloseUnanswered, {}}});
  ScriptedServer third({{Kind::kAnswer, kTaken}});
  const auto entered = join({closed_endpoint().url(), first.endpoint().url(),
                             second.endpoint().url(), third.endpoint().url()});
  EXPECT_TRUE(entered.has_value() && *entered);
  EXPECT_TRUE(pauses_.empty());
}

TEST_F(JoinTest, AllAreAskedAgainWithLongerPauses) {
  ScriptedServer server({{Kind::kAnswerAndClose, kNotReady},
                         {Kind::kAnswerAndClose, conflict(true)},
                         {Kind::kAnswerAndClose, http_answer(504, "no JSON")},
                         {Kind::kAnswerAndClose, http_answer(200, "{}")},
                         {Kind::kAnswerAndClose, kTaken}});
  const auto entered = join({server.endpoint().url()});
  EXPECT_TRUE(entered.has_value() && *entered);
  ASSERT_EQ(pauses_.size(), 4u);
  EXPECT_GT(pauses_[3], pauses_[0]);
}

TEST_F(JoinTest, ARefusalThatWillNotPassEndsIt) {
  for (const std::string& answer : {conflict(false), problem_answer(400, "bad_request", "x", false),
                                    http_answer(404, "what?")}) {
    ScriptedServer server({{Kind::kAnswer, answer}});
    const auto entered = join({server.endpoint().url()});
    ASSERT_FALSE(entered.has_value());
    EXPECT_THAT(entered.error().message, HasSubstr(server.endpoint().url()));
    EXPECT_THAT(entered.error().message, HasSubstr("members remove"));
  }
  ScriptedServer server({{Kind::kAnswer, conflict(false)}});
  EXPECT_THAT(join({server.endpoint().url()}).error().message, HasSubstr("n4 is there already"));
}

TEST_F(JoinTest, ItStopsWhenAskedTo) {
  const auto entered = join({closed_endpoint().url()}, 3);
  ASSERT_TRUE(entered.has_value());
  EXPECT_FALSE(*entered);
}

TEST_F(JoinTest, AnAnswerWithoutTheNodeIsNone) {
  const std::string without = http_answer(201, R"({"cluster_id":"0000000000000abc","members":[
      {"name":"n1","id":"0000000000000001","peer":"h1:1","voter":true}]})");
  ScriptedServer server({{Kind::kAnswer, without}});
  const auto entered = join({server.endpoint().url()}, 0);
  ASSERT_TRUE(entered.has_value());
  EXPECT_FALSE(*entered);
}

std::string view_with(const std::string& members, const std::string& cluster = "0000000000000abc") {
  return http_answer(200, R"({"cluster_id":")" + cluster + R"(","members":[)" + members + "]}");
}

const std::string kOldOne = R"({"name":"n4-old","id":"0000000000000007","voter":true})";
const std::string kRead = http_answer(200, R"({"revision":1,"items":[],"count":0})");

TEST_F(JoinTest, WhoItWasIsRemovedByItsIdWhateverItsName) {
  ScriptedServer server({{Kind::kAnswer, view_with("")},
                         {Kind::kAnswer, kRead},
                         {Kind::kAnswer, view_with(kOldOne)},
                         {Kind::kAnswer, http_answer(200, R"({"members":[]})")}});
  EXPECT_EQ(remove({server.endpoint().url()}), Removal::kDone);
  EXPECT_TRUE(server.requests().at(3).starts_with("DELETE /v1/cluster/members/n4-old?"));
  EXPECT_EQ(told_, 1);
}

// Behind a linearizable read: else it may have been added since.
TEST_F(JoinTest, WhoIsNoMemberWasRemovedByOthers) {
  const std::string other = R"({"name":"n4","id":"0000000000000008","voter":true})";
  ScriptedServer server(
      {{Kind::kAnswer, view_with(kOldOne)},
       {Kind::kAnswerAndClose, problem_answer(504, "timeout", "not_applied", true)},
       {Kind::kAnswer, view_with(kOldOne)},
       {Kind::kAnswer, kRead},
       {Kind::kAnswer, view_with(other)}});
  EXPECT_EQ(remove({server.endpoint().url()}), Removal::kWasNoMember);
  EXPECT_EQ(server.requests().size(), 5u);
  EXPECT_EQ(told_, 0);
}

// Neither that the old id is gone, nor that it cannot be removed, ever.
TEST_F(JoinTest, WhoElseIsAtAnOldAddressSaysNothing) {
  const std::string foreign = view_with("", "00000000000000ff");
  ScriptedServer other({{Kind::kAnswer, foreign}});
  ScriptedServer no_node({{Kind::kAnswer, http_answer(404, "what?")}});
  // Of the own cluster when it is looked at, then it is not, or it does not take the read.
  ScriptedServer replaced(
      {{Kind::kAnswer, view_with(kOldOne)}, {Kind::kAnswer, kRead}, {Kind::kAnswer, foreign}});
  ScriptedServer removed(
      {{Kind::kAnswer, view_with("")}, {Kind::kAnswer, http_answer(404, "what?")}});
  ScriptedServer own({{Kind::kAnswer, view_with("")},
                      {Kind::kAnswer, kRead},
                      {Kind::kAnswer, view_with(kOldOne)},
                      {Kind::kAnswer, http_answer(200, "{}")}});
  EXPECT_EQ(remove({other.endpoint().url(), no_node.endpoint().url(), replaced.endpoint().url(),
                    removed.endpoint().url(), own.endpoint().url()}),
            Removal::kDone);
  EXPECT_EQ(other.requests().size(), 1u) << "nothing else was asked of it";
  EXPECT_EQ(replaced.requests().size(), 3u);
  EXPECT_EQ(removed.requests().size(), 2u);
  EXPECT_TRUE(own.requests().at(3).starts_with("DELETE "));
  EXPECT_TRUE(pauses_.empty());
}

TEST_F(JoinTest, WhoComesBackJoinsNoOtherCluster) {
  ScriptedServer other({{Kind::kAnswer, view_with("", "00000000000000ff")}});
  ScriptedServer own({{Kind::kAnswer, view_with("")}, {Kind::kAnswer, kTaken}});
  const auto entered = join({other.endpoint().url(), own.endpoint().url()}, 100, ClusterId{0xabc});
  EXPECT_TRUE(entered.has_value() && *entered);
  EXPECT_EQ(other.requests().size(), 1u) << "not asked to take it in";
}

TEST_F(JoinTest, ARemovalIsAskedForUntilItIsCertain) {
  const Step look{Kind::kAnswer, view_with(kOldOne)};
  const Step read{Kind::kAnswer, kRead};
  ScriptedServer server({look,
                         read,
                         {Kind::kAnswerAndClose, kNotReady},
                         look,
                         read,
                         look,
                         {Kind::kAnswerAndClose, conflict(true)},
                         look,
                         read,
                         look,
                         {Kind::kCloseUnanswered, {}},
                         look,
                         read,
                         look,
                         {Kind::kAnswerAndClose, http_answer(404, "{}")},
                         look,
                         read,
                         {Kind::kAnswerAndClose, http_answer(200, "{")},
                         look,
                         read,
                         {Kind::kAnswer, view_with("")}});
  EXPECT_EQ(remove({server.endpoint().url()}), Removal::kDone);
  EXPECT_EQ(pauses_.size(), 5u);
  EXPECT_EQ(told_, 1);
}

TEST_F(JoinTest, ARemovalThatIsRefusedForGoodEndsIt) {
  ScriptedServer server({{Kind::kAnswer, view_with(kOldOne)},
                         {Kind::kAnswer, kRead},
                         {Kind::kAnswer, view_with(kOldOne)},
                         {Kind::kAnswer, conflict(false)}});
  const auto removed = remove({server.endpoint().url()});
  ASSERT_FALSE(removed);
  EXPECT_THAT(removed.error().message, HasSubstr("n4 is there already"));
  EXPECT_EQ(remove({closed_endpoint().url()}, 2), Removal::kStopped);
}

TEST_F(JoinTest, NothingIsAskedBeforeThatItIsAskedIsNoted) {
  may_be_told_ = false;
  ScriptedServer server({{Kind::kAnswer, view_with("")},
                         {Kind::kAnswer, kRead},
                         {Kind::kAnswer, view_with(kOldOne)}});
  EXPECT_FALSE(remove({server.endpoint().url()}));
  EXPECT_EQ(server.requests().size(), 3u);
}

TEST_F(JoinTest, TheClusterOfWhoAnswersFirstIsKnown) {
  ScriptedServer silent({{Kind::kAnswer, kNotReady}});
  ScriptedServer server(
      {{Kind::kAnswer, http_answer(200, R"({"cluster_id":"00000000000000ff"})")}});
  EXPECT_EQ(cluster_at({closed_endpoint().url(), silent.endpoint().url(), server.endpoint().url()},
                       clock_),
            ClusterId{0xff});
  EXPECT_EQ(cluster_at({closed_endpoint().url()}, clock_), std::nullopt);
  for (const char* body : {"[]", "{}", R"({"cluster_id":7})", R"({"cluster_id":"x"})"}) {
    ScriptedServer other({{Kind::kAnswer, http_answer(200, body)}});
    EXPECT_EQ(cluster_at({other.endpoint().url()}, clock_), std::nullopt) << body;
  }
}

TEST(JoinUrls, AreReadOrRefused) {
  EXPECT_EQ(*parse_join_urls("http://h1:1,h2"),
            (std::vector<std::string>{"http://h1:1", "http://h2:4653"}));
  for (const char* wrong : {"", "https://h1:1", "h1:x", "h1,,h2"})
    EXPECT_FALSE(parse_join_urls(wrong).has_value()) << wrong;
}

}  // namespace
}  // namespace holdfast
