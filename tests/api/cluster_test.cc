#include <nlohmann/json.hpp>

#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

class ClusterApi : public ApiTest {
 protected:
  ClusterApi() {
    status.members.list = {{{7}, "n1", "127.0.0.1:1", true},
                           {{8}, "n2", "127.0.0.1:2", true},
                           {{9}, "n3", "127.0.0.1:3", true},
                           {{10}, "n4", "127.0.0.1:4", false}};
    status.raft.last = {{3}, {100}};
    status.raft.persisted = {99};
    status.raft.commit = {98};
    status.raft.applied = {97};
    status.durable = {60};
    status.revision = {88};
    status.check = std::make_shared<const HashCheck>(HashCheck{
        .index = {97}, .revision = {88}, .cluster_ms = 1, .hash = UINT64_MAX, .reports = {}});
    status.raft.followers = {{{8}, {90}, clock.now(), true},
                             {{9}, {0}, clock.now() - milliseconds(1500), false},
                             {{10}, {100}, clock.now() - milliseconds(20), true}};
    publish(status);
  }
};

TEST_F(ClusterApi, TheLeaderKnowsItsFollowers) {
  const auto cluster = json_of(call("GET", "/v1/cluster"));
  EXPECT_EQ(cluster.at("cluster_id"), "0000000000000abc");
  EXPECT_EQ(cluster.at("leader"), "n1");
  EXPECT_EQ(cluster.at("term"), 3);
  EXPECT_EQ(cluster.at("quorum"), true);
  const auto& node = cluster.at("node");
  EXPECT_EQ(node.at("name"), "n1");
  EXPECT_EQ(node.at("role"), "leader");
  EXPECT_EQ(node.at("commit_index"), 98);
  EXPECT_EQ(node.at("applied_index"), 97);
  EXPECT_EQ(node.at("durable_index"), 60);
  EXPECT_EQ(node.at("revision"), 88);
  EXPECT_EQ(node.at("state_hash"), "ffffffffffffffff");
  EXPECT_EQ(node.at("state_hash_index"), 97);
  EXPECT_TRUE(node.at("fenced").is_null());
  const auto& members = cluster.at("members");
  ASSERT_EQ(members.size(), 4u);
  EXPECT_EQ(members.at(0).at("role"), "leader");
  EXPECT_EQ(members.at(0).at("client_url"), "http://127.0.0.1:4653");
  EXPECT_EQ(members.at(0).at("lag_entries"), 1);
  EXPECT_EQ(members.at(1).at("role"), "follower");
  EXPECT_EQ(members.at(1).at("match_index"), 90);
  EXPECT_EQ(members.at(1).at("lag_entries"), 10);
  EXPECT_EQ(members.at(1).at("healthy"), true);
  EXPECT_TRUE(members.at(1).at("client_url").is_null());
  EXPECT_EQ(members.at(2).at("healthy"), false);
  EXPECT_EQ(members.at(2).at("last_contact_ms"), 1500);
  EXPECT_EQ(members.at(3).at("role"), "learner");
  EXPECT_EQ(members.at(3).at("voter"), false);
}

TEST_F(ClusterApi, ANodeWhoseDiskIsSilentSaysSo) {
  status.raft.fenced = true;
  publish(status);
  const auto cluster = json_of(call("GET", "/v1/cluster"));
  EXPECT_EQ(cluster.at("node").at("fenced"), "the disk has stopped answering");
}

TEST_F(ClusterApi, AFollowerDoesNotKnowTheOthers) {
  status.raft.role = raft::Role::kFollower;
  status.raft.leader = {8};
  status.raft.followers.clear();
  publish(status);
  const auto cluster = json_of(call("GET", "/v1/cluster"));
  EXPECT_EQ(cluster.at("leader"), "n2");
  EXPECT_EQ(cluster.at("quorum"), true);
  EXPECT_EQ(cluster.at("node").at("role"), "follower");
  EXPECT_EQ(cluster.at("members").at(1).at("role"), "leader");
  EXPECT_TRUE(cluster.at("members").at(2).at("healthy").is_null());
}

TEST_F(ClusterApi, AnswersWithoutAQuorum) {
  refuses = raft::RefusalReason::kNoLeader;
  clock.advance(milliseconds(2000));
  EXPECT_EQ(json_of(call("GET", "/v1/cluster")).at("quorum"), false) << "nobody was heard of late";
  status.raft.role = raft::Role::kCandidate;
  status.raft.leader = {};
  publish(status);
  const auto cluster = json_of(call("GET", "/v1/cluster"));
  EXPECT_TRUE(cluster.at("leader").is_null());
  EXPECT_EQ(cluster.at("quorum"), false);
  EXPECT_EQ(cluster.at("node").at("role"), "candidate");
  EXPECT_EQ(call("GET", "/v1/cluster?x=1").status, 400);
}

TEST_F(ClusterApi, TheLeadershipGoesToTheMemberThatIsNamed) {
  new_leader = NodeId{8};
  const http::Response response = call("POST", "/v1/cluster/leader", R"({"to":"n2"})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(json_of(response).at("leader"), "n2");
  EXPECT_EQ(transfers, std::vector{NodeId{8}});
}

TEST_F(ClusterApi, TheLeadershipGoesToAnyOtherMember) {
  new_leader = NodeId{9};
  EXPECT_EQ(json_of(call("POST", "/v1/cluster/leader")).at("leader"), "n3");
  EXPECT_EQ(transfers, std::vector{NodeId{}});
}

TEST_F(ClusterApi, WhoLeadsAlreadyIsNotAskedTo) {
  EXPECT_EQ(json_of(call("POST", "/v1/cluster/leader", R"({"to":"n1"})")).at("leader"), "n1");
  EXPECT_TRUE(transfers.empty());
}

TEST_F(ClusterApi, AHandoverThatDoesNotComeToPassIsInDoubt) {
  silent = true;  // no leader serves
  const size_t request = begin("POST", "/v1/cluster/leader?timeout=1s", R"({"to":"n2"})");
  settle();
  EXPECT_FALSE(answers.at(request));
  silent = false;
  on_barrier = [&] {
    if (!transfers.empty()) refuses = raft::RefusalReason::kTimeout;
  };
  const http::Response response = call("POST", "/v1/cluster/leader", R"({"to":"n2"})");
  EXPECT_EQ(response.status, 504);
  EXPECT_EQ(code_of(response), "outcome_unknown");
}

TEST_F(ClusterApi, AHandoverBetweenTwoLeadersWaitsForTheNext) {
  status.raft.role = raft::Role::kFollower;
  status.raft.leader = {};
  publish(status);
  on_barrier = [&] {
    if (status.raft.leader) return;
    status.raft.leader = {8};
    publish(status);
  };
  new_leader = NodeId{9};
  EXPECT_EQ(json_of(call("POST", "/v1/cluster/leader", R"({"to":"n3"})")).at("leader"), "n3");
  EXPECT_EQ(transfers, std::vector{NodeId{9}});
}

TEST_F(ClusterApi, AHandoverThatFindsNoLeaderHasNotBegun) {
  for (const auto& [reason, code] : {std::pair{raft::RefusalReason::kNoLeader, "no_leader"},
                                     {raft::RefusalReason::kTimeout, "timeout"}}) {
    refuses = reason;
    const http::Response response = call("POST", "/v1/cluster/leader", R"({"to":"n2"})");
    EXPECT_EQ(code_of(response), code);
    EXPECT_EQ(json_of(response).at("outcome"), "not_applied");
  }
  EXPECT_TRUE(transfers.empty());
}

TEST_F(ClusterApi, AHandoverKnowsMembersOfWhichTheNodeHadNotHeard) {
  new_leader = NodeId{11};
  on_barrier = [&, done = false]() mutable {
    if (std::exchange(done, true)) return;
    status.members.list.push_back({NodeId{11}, "n6", "127.0.0.1:4659", true});
    publish(status);
  };
  EXPECT_EQ(json_of(call("POST", "/v1/cluster/leader", R"({"to":"n6"})")).at("leader"), "n6");
}

TEST_F(ClusterApi, WhoCannotLeadIsRefused) {
  const auto refusal = [&](const std::string& body) {
    return code_of(call("POST", "/v1/cluster/leader", body));
  };
  EXPECT_EQ(refusal(R"({"to":"n4"})"), "conflict") << "a learner";
  EXPECT_EQ(refusal(R"({"to":"n5"})"), "member_not_found");
  for (const char* wrong : {"n2", "[]", R"({"to":2})", R"({"from":"n1"})", R"({"to":"n2","x":1})"})
    EXPECT_EQ(refusal(wrong), "bad_request") << wrong;
  status.members.list.resize(1);
  publish(status);
  EXPECT_EQ(refusal(""), "conflict") << "nobody else";
  status.raft.leader = {};
  publish(status);
  EXPECT_EQ(refusal(R"({"to":"n1"})"), "no_leader");
  EXPECT_TRUE(transfers.empty());
}

TEST_F(ClusterApi, AliveIsNotReady) {
  EXPECT_EQ(call("GET", "/livez").status, 200);
  EXPECT_EQ(call("GET", "/readyz").status, 200);
  refuses = raft::RefusalReason::kNoLeader;
  EXPECT_EQ(call("GET", "/livez").status, 200);
  const http::Response response = call("GET", "/readyz");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(code_of(response), "not_ready");
}

TEST_F(ClusterApi, MetricsCountCallsAndShowTheNode) {
  call("PUT", "/v1/kv/a", "x");
  call("GET", "/v1/kv/a");
  call("GET", "/v1/kv/none");
  const std::string metrics = call("GET", "/metrics").body;
  for (const char* line :
       {"holdfast_answers_total{call=\"put\",status=\"2xx\"} 1\n",
        "holdfast_answers_total{call=\"get\",status=\"2xx\"} 1\n",
        "holdfast_answers_total{call=\"get\",status=\"4xx\"} 1\n",
        "holdfast_call_seconds_count{call=\"get\"} 2\n", "holdfast_term 3\n",
        "holdfast_is_leader 1\n", "holdfast_commit_index 98\n", "holdfast_durable_index 60\n",
        "holdfast_follower_lag_entries{follower=\"n2\"} 10\n",
        "holdfast_follower_lag_entries{follower=\"n3\"} 100\n"}) {
    EXPECT_THAT(metrics, HasSubstr(line));
  }
  status.raft.followers.clear();
  publish(status);
  EXPECT_THAT(call("GET", "/metrics").body, Not(HasSubstr("follower_lag")));
}

}  // namespace
}  // namespace holdfast
