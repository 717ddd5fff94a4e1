#include <nlohmann/json.hpp>

#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

const std::string kMembers = "/v1/cluster/members";

class MembersApi : public ApiTest {
 protected:
  MembersApi() {
    status.members.list = {{{7}, "n1", "127.0.0.1:1", true},
                           {{8}, "n2", "127.0.0.1:2", true},
                           {{9}, "n3", "127.0.0.1:3", true}};
    publish(status);
  }

  static Json newcomer() {
    return {{"name", "n4"},
            {"id", "00000000000000ab"},
            {"peer", "127.0.0.1:4"},
            {"client_url", "http://127.0.0.1:44"}};
  }
  http::Response add(const Json& body) { return call("POST", kMembers, body.dump()); }
  static std::vector<std::string> names_of(const http::Response& response) {
    std::vector<std::string> names;
    const Json body = json_of(response);
    for (const Json& member : body.at("members")) names.push_back(member.at("name"));
    return names;
  }
};

TEST_F(MembersApi, ANewcomerIsALearnerAndHearsWhoElseIsThere) {
  const http::Response response = add(newcomer());
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(json_of(response).at("cluster_id"), "0000000000000abc");
  EXPECT_EQ(names_of(response), (std::vector<std::string>{"n1", "n2", "n3", "n4"}));
  EXPECT_EQ(
      json_of(response).at("members").at(3),
      (Json{
          {"name", "n4"}, {"id", "00000000000000ab"}, {"peer", "127.0.0.1:4"}, {"voter", false}}));
  const raft::Member* member = status.members.find({0xab});
  ASSERT_NE(member, nullptr);
  EXPECT_FALSE(member->stays_learner);
  EXPECT_EQ(json_of(call("GET", "/v1/cluster")).at("members").at(3).at("client_url"),
            "http://127.0.0.1:44");
}

TEST_F(MembersApi, WhoAsksAgainHearsTheSame) {
  EXPECT_EQ(add(newcomer()).status, 201);
  const http::Response again = add(newcomer());
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(names_of(again), (std::vector<std::string>{"n1", "n2", "n3", "n4"}));
}

TEST_F(MembersApi, ALearnerCanBeAskedFor) {
  Json body = newcomer();
  body["learner"] = true;
  EXPECT_EQ(add(body).status, 201);
  EXPECT_TRUE(status.members.find({0xab})->stays_learner);
  EXPECT_EQ(json_of(call("GET", "/v1/cluster")).at("members").at(3).at("role"), "learner");
}

TEST_F(MembersApi, WhatIsNotAMemberIsABadRequest) {
  const auto refusal = [&](const char* field, const Json& value) {
    Json body = newcomer();
    if (value.is_null()) body.erase(field);
    if (!value.is_null()) body[field] = value;
    const http::Response response = add(body);
    EXPECT_EQ(response.status, 400) << body;
    EXPECT_THAT(json_of(response).at("detail"), HasSubstr(field)) << body;
  };
  for (const char* field : {"name", "id", "peer", "client_url"}) {
    refusal(field, {});
    refusal(field, 7);
    refusal(field, "");
  }
  for (const char* name : {"a/b", "-a", "a b", "\xC3\xBC"}) refusal("name", name);
  refusal("name", std::string(65, 'a'));
  for (const char* id :
       {"ab", "0000000000000000", "00000000000000xy", "+0000000000000ab", "0x000000000000ab"})
    refusal("id", id);
  for (const char* peer : {"n4", "n4:0", "0.0.0.0:4654", "[::]:4654"}) refusal("peer", peer);
  for (const char* url : {"n4:1", "http://a b", "http://a\r\nX: y"}) refusal("client_url", url);
  refusal("learner", "yes");
  refusal("colour", "red");
  for (const char* body : {"", "[]", "{", "7"}) EXPECT_EQ(call("POST", kMembers, body).status, 400);
  EXPECT_EQ(call("POST", kMembers + "?x=1", newcomer().dump()).status, 400);
  EXPECT_EQ(status.members.list.size(), 3u);
}

// A client that repeats the request can tell what will never change from what may pass.
TEST_F(MembersApi, ARefusalSaysWhyAndWhetherItMayPass) {
  Json twin = newcomer();
  twin["name"] = "n3";
  http::Response response = add(twin);
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(code_of(response), "conflict");
  EXPECT_THAT(json_of(response).at("detail"), HasSubstr("n3 already"));
  EXPECT_EQ(json_of(response).at("outcome"), "not_applied");
  EXPECT_EQ(json_of(response).at("retryable"), false);
  rejects = "another change of members is under way";
  response = add(newcomer());
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(json_of(response).at("detail"), rejects);
  EXPECT_EQ(json_of(response).at("retryable"), true);
}

TEST_F(MembersApi, AChangeEndsAsAnyOther) {
  const std::string body = newcomer().dump();
  for (const auto& [reason, http_status, code] :
       std::vector<std::tuple<raft::RefusalReason, int, std::string>>{
           {raft::RefusalReason::kNoLeader, 503, "no_leader"},
           {raft::RefusalReason::kOverloaded, 503, "overloaded"},
           {raft::RefusalReason::kFenced, 503, "not_ready"},
           {raft::RefusalReason::kUnknown, 504, "outcome_unknown"}}) {
    refuses = reason;
    const http::Response response = call("POST", kMembers, body);
    EXPECT_EQ(response.status, http_status);
    EXPECT_EQ(code_of(response), code);
  }
  refuses = raft::RefusalReason::kNoLeader;
  EXPECT_EQ(code_of(call("DELETE", kMembers + "/n3")), "no_leader");
  EXPECT_EQ(code_of(call("POST", kMembers + "/n3/promote")), "no_leader");
  refuses = raft::RefusalReason::kTimeout;
  const http::Response late = call("DELETE", kMembers + "/n3");
  EXPECT_EQ(code_of(late), "timeout");
  EXPECT_THAT(late.body, HasSubstr("nothing was changed"));
  EXPECT_EQ(json_of(late).at("outcome"), "not_applied");
  EXPECT_EQ(status.members.list.size(), 3u);
}

TEST_F(MembersApi, AMemberIsRemovedForGood) {
  const http::Response response = call("DELETE", kMembers + "/n3");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(names_of(response), (std::vector<std::string>{"n1", "n2"}));
  EXPECT_THAT(json_of(response).at("warning"), HasSubstr("2 voters survive the loss of none"));
  EXPECT_TRUE(status.members.was_removed({9}));
  EXPECT_EQ(code_of(call("DELETE", kMembers + "/n3")), "member_not_found");
  Json back = newcomer();
  back["id"] = "0000000000000009";
  EXPECT_THAT(json_of(add(back)).at("detail"), HasSubstr("was removed"));
}

TEST_F(MembersApi, TheLastVoterStays) {
  status.members.list.resize(1);
  publish(status);
  const http::Response response = call("DELETE", kMembers + "/n1");
  EXPECT_EQ(response.status, 409);
  EXPECT_THAT(json_of(response).at("detail"), HasSubstr("only voter"));
}

TEST_F(MembersApi, ALearnerIsPromoted) {
  Json body = newcomer();
  body["learner"] = true;
  add(body);
  const http::Response response = call("POST", kMembers + "/n4/promote");
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(status.members.votes({0xab}));
  EXPECT_EQ(json_of(response).at("members").at(3).at("voter"), true);
  EXPECT_EQ(code_of(call("POST", kMembers + "/n5/promote")), "member_not_found");
}

TEST_F(MembersApi, WhatIsNotServedIsSaidSo) {
  EXPECT_EQ(call("POST", kMembers + "/n3").status, 404);
  EXPECT_EQ(call("POST", kMembers + "/n3/demote").status, 404);
  EXPECT_EQ(call("GET", kMembers + "/n3").status, 405);
  EXPECT_EQ(call("GET", kMembers).status, 405);
  for (const auto& [method, path] : {std::pair{"DELETE", "/n3"}, {"POST", "/n3/promote"}}) {
    EXPECT_EQ(call(method, kMembers + path, "{}").status, 400);
    EXPECT_EQ(call(method, kMembers + path + "?force=true").status, 400);
  }
  EXPECT_EQ(status.members.list.size(), 3u);
}

// A name may have gone to another node that this one has not heard of yet.
TEST_F(MembersApi, ANameIsLookedUpBehindEverythingDoneBefore) {
  call("DELETE", kMembers + "/n3");
  EXPECT_EQ(barriers, 1);
  call("POST", kMembers + "/n2/promote");
  EXPECT_EQ(barriers, 2);
}

TEST_F(MembersApi, AnEvenNumberOfVotersIsWarnedOf) {
  EXPECT_TRUE(json_of(call("GET", "/v1/cluster")).at("warning").is_null());
  status.members.list.push_back({{10}, "n4", "127.0.0.1:4", false});
  publish(status);
  EXPECT_TRUE(json_of(call("GET", "/v1/cluster")).at("warning").is_null()) << "no voter";
  status.members.list.back().voter = true;
  publish(status);
  EXPECT_EQ(json_of(call("GET", "/v1/cluster")).at("warning"),
            "4 voters survive the loss of 1, as 3 do: add a voter, or remove one");
}

TEST_F(MembersApi, CallsAreCounted) {
  call("DELETE", kMembers + "/n3");
  EXPECT_THAT(call("GET", "/metrics").body,
              HasSubstr("holdfast_answers_total{call=\"members\",status=\"2xx\"} 1\n"));
}

}  // namespace
}  // namespace holdfast
