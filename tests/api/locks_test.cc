#include "storage/kv/locks.h"

#include <nlohmann/json.hpp>

#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

class LocksApi : public ApiTest {
 protected:
  static std::string body_of(const std::string& owner, const std::string& wait = "0s",
                             const std::string& ttl = "10s") {
    return fmt::format(R"({{"ttl":"{}","wait":"{}","owner":"{}"}})", ttl, wait, owner);
  }
  uint64_t token_of(const http::Response& response) {
    EXPECT_EQ(response.status, 200) << response.body;
    return response.status == 200 ? json_of(response).at("token").get<uint64_t>() : 0;
  }
  uint64_t acquired(const std::string& owner) {
    return token_of(call("POST", "/v1/locks/l", body_of(owner)));
  }
  // Begins to wait for the lock; the number of the answer.
  size_t waits(const std::string& owner, const std::string& wait = "60s",
               const Headers& headers = {}) {
    const size_t number = begin("POST", "/v1/locks/l", body_of(owner, wait), headers);
    settle();
    return number;
  }
  http::Response released(uint64_t token) {
    http::Response response = call("DELETE", fmt::format("/v1/locks/l?token={}", token));
    settle();
    return response;
  }
  // Time goes by at the leader; what is due goes.
  void pass(Duration time) {
    clock.advance(time);
    expire();
    settle();
  }
  std::string owner_now() {
    const http::Response response = call("GET", "/v1/locks/l");
    return response.status == 200 ? json_of(response).at("owner") : "nobody";
  }
};

TEST_F(LocksApi, OneHasItAndOthersAreToldWho) {
  const http::Response had = call("POST", "/v1/locks/l", body_of("me"));
  EXPECT_EQ(had.status, 200);
  const json got = json_of(had);
  const std::string lease = got.at("lease");
  EXPECT_EQ(
      had.body,
      fmt::format("{{\"name\":\"l\",\"token\":2,\"lease\":\"{}\",\"ttl_ms\":10000}}\n", lease));
  EXPECT_EQ(had.header("Holdfast-Revision"), "1") << "a lock is no change to a key";
  clock.advance(milliseconds(2'500));
  const http::Response refused = call("POST", "/v1/locks/l", body_of("you"));
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(code_of(refused), "conflict");
  const json why = json_of(refused);
  EXPECT_EQ(why.at("token"), 2);
  EXPECT_EQ(why.at("remaining_ms"), 7'500);
  EXPECT_EQ(why.at("outcome"), "not_applied");
  EXPECT_EQ(why.at("retryable"), true);
  EXPECT_THAT(why.at("detail").get<std::string>(),
              HasSubstr("held by 'me' under token 2, for 7.5"));
  EXPECT_EQ(call("GET", "/v1/locks/l").body,
            fmt::format("{{\"name\":\"l\",\"token\":2,\"lease\":\"{}\",\"owner\":\"me\","
                        "\"ttl_ms\":10000,\"remaining_ms\":7500}}\n",
                        lease));
  EXPECT_EQ(json_of(call("GET", "/v1/leases/" + lease)).at("remaining_ms"), 7'500);
}

TEST_F(LocksApi, ALockThatNobodyHasIsNotFound) {
  const http::Response none = call("GET", "/v1/locks/a/b%00");
  EXPECT_EQ(none.status, 404);
  EXPECT_EQ(code_of(none), "lease_not_found");
  EXPECT_EQ(call("HEAD", "/v1/locks/l").status, 404);
  for (const char* method : {"PUT", "DELETE"}) {
    const http::Response gone = call(method, "/v1/locks/l?token=5");
    EXPECT_EQ(code_of(gone), "lease_not_found") << method;
    EXPECT_THAT(json_of(gone).at("detail").get<std::string>(), HasSubstr("under token 5"))
        << method;
  }
}

TEST_F(LocksApi, ItIsKeptAndReleasedByItsToken) {
  const uint64_t token = acquired("me");
  pass(seconds(9));
  const std::string target = fmt::format("/v1/locks/l?token={}", token);
  EXPECT_EQ(token_of(call("PUT", target)), token);
  pass(seconds(9));
  EXPECT_EQ(json_of(call("GET", "/v1/locks/l?consistency=local")).at("remaining_ms"), 1'000);
  for (const char* method : {"PUT", "DELETE"})
    EXPECT_EQ(code_of(call(method, fmt::format("/v1/locks/l?token={}", token - 1))),
              "lease_not_found");
  const http::Response released = call("DELETE", target);
  EXPECT_EQ(released.body, "{\"revision\":1,\"deleted\":0,\"finished\":true}\n");
  EXPECT_EQ(owner_now(), "nobody");
  EXPECT_EQ(code_of(call("DELETE", target)), "lease_not_found");
  EXPECT_GT(acquired("you"), token);
}

TEST_F(LocksApi, KeysThatAreBoundToItsLeaseEndWithIt) {
  const json had = json_of(call("POST", "/v1/locks/l", body_of("me")));
  const std::string lease = had.at("lease");
  EXPECT_EQ(call("PUT", "/v1/kv/addr?lease=" + lease, "me:80").status, 201);
  pass(seconds(10));
  EXPECT_EQ(call("GET", "/v1/kv/addr").status, 404);
  EXPECT_EQ(owner_now(), "nobody");
}

TEST_F(LocksApi, WhoWaitsHasItWhenItIsReleased) {
  const uint64_t token = acquired("first");
  const size_t second = waits("second");
  EXPECT_FALSE(answers[second]);
  EXPECT_EQ(lock_waiters().waiting(), 1u);
  released(token);
  ASSERT_TRUE(answers[second]);
  EXPECT_GT(token_of(*answers[second]), token);
  EXPECT_EQ(owner_now(), "second");
  EXPECT_EQ(lock_waiters().waiting(), 0u);
}

TEST_F(LocksApi, WhoWaitsHasItWhenItsLeaseEnds) {
  acquired("first");
  const size_t second = waits("second");
  pass(seconds(9));
  EXPECT_FALSE(answers[second]);
  pass(seconds(1));
  ASSERT_TRUE(answers[second]);
  EXPECT_EQ(answers[second]->status, 200);
  EXPECT_EQ(owner_now(), "second");
}

TEST_F(LocksApi, NobodyAsksTheStoreWhileTheyWait) {
  acquired("first");
  const size_t second = waits("second");
  const LogIndex before = services.machine->summary().applied.index;
  for (int i = 0; i < 50; ++i) {
    clock.advance(milliseconds(100));
    settle();
  }
  // Nor for locks of other names.
  const uint64_t other = token_of(call("POST", "/v1/locks/other", body_of("x")));
  call("DELETE", fmt::format("/v1/locks/other?token={}", other));
  settle();
  EXPECT_EQ(services.machine->summary().applied.index, before + 2);
  EXPECT_FALSE(answers[second]);
}

TEST_F(LocksApi, FirstComeFirstServed) {
  uint64_t token = acquired("0");
  std::vector<size_t> waiting;
  for (int i = 1; i <= 4; ++i) waiting.push_back(waits(std::to_string(i)));
  // Not even who does not wait goes before them.
  EXPECT_EQ(call("POST", "/v1/locks/l", body_of("hasty")).status, 409);
  for (size_t i = 0; i < waiting.size(); ++i) {
    const size_t hasty = begin("POST", "/v1/locks/l", body_of("hasty"));
    released(token);
    ASSERT_TRUE(answers[waiting[i]]) << i;
    token = token_of(*answers[waiting[i]]);
    EXPECT_EQ(answers[hasty]->status, 409);
    EXPECT_EQ(owner_now(), std::to_string(i + 1));
    for (size_t j = i + 1; j < waiting.size(); ++j) EXPECT_FALSE(answers[waiting[j]]) << j;
  }
}

TEST_F(LocksApi, TheWaitHasAnEnd) {
  acquired("first");
  const size_t second = waits("second", "5s");
  const size_t third = waits("third", "3s");
  clock.advance(milliseconds(2'999));
  settle();
  EXPECT_FALSE(answers[third]);
  clock.advance(milliseconds(1));
  settle();
  ASSERT_TRUE(answers[third]);
  EXPECT_EQ(answers[third]->status, 409);
  EXPECT_EQ(code_of(*answers[third]), "conflict");
  EXPECT_EQ(json_of(*answers[third]).at("remaining_ms"), 7'000);
  EXPECT_THAT(answers[third]->body, HasSubstr("held by 'first'"));
  EXPECT_FALSE(answers[second]);
  clock.advance(seconds(2));
  settle();
  EXPECT_EQ(answers[second]->status, 409);
  EXPECT_EQ(lock_waiters().waiting(), 0u);
  EXPECT_EQ(owner_now(), "first");
}

TEST_F(LocksApi, ATimeoutBoundsTheWaitToo) {
  acquired("first");
  const size_t second = begin("POST", "/v1/locks/l?timeout=1s", body_of("second", "30s"));
  settle();
  clock.advance(seconds(1));
  settle();
  ASSERT_TRUE(answers[second]);
  EXPECT_EQ(answers[second]->status, 409);
}

TEST_F(LocksApi, WhoIsGoneIsPassedOver) {
  const uint64_t token = acquired("first");
  const size_t gone = waits("gone");
  client_has_gone = true;
  released(token);
  EXPECT_EQ(answers[gone]->status, 408);
  EXPECT_EQ(owner_now(), "nobody");
  client_has_gone = false;
  const uint64_t again = acquired("again");
  const size_t left = waits("left");
  client_has_gone = true;
  clock.advance(seconds(1));
  settle();
  EXPECT_EQ(answers[left]->status, 408) << "its place is free before its turn comes";
  client_has_gone = false;
  const size_t there = waits("there");
  released(again);
  EXPECT_EQ(answers[there]->status, 200);
}

TEST_F(LocksApi, WhatWasAcquiredForWhoIsGoneIsGivenBack) {
  const uint64_t token = acquired("first");
  const size_t second = waits("second");
  on_apply = [&](const Command& command) {
    if (std::holds_alternative<AcquireLockCommand>(command.act)) client_has_gone = true;
  };
  released(token);
  EXPECT_TRUE(answers[second]);
  EXPECT_EQ(owner_now(), "nobody");
}

TEST_F(LocksApi, WhatWasAcquiredUnderAKeyIsThereForWhoComesBack) {
  const uint64_t token = acquired("first");
  const Headers key{{"Idempotency-Key", "abc"}};
  const size_t second = waits("second", "60s", key);
  on_apply = [&](const Command& command) {
    if (std::holds_alternative<AcquireLockCommand>(command.act)) client_has_gone = true;
  };
  released(token);
  const uint64_t had = token_of(*answers[second]);
  on_apply = nullptr;
  EXPECT_EQ(owner_now(), "second");
  const http::Response again = call("POST", "/v1/locks/l", body_of("second", "60s"), key);
  EXPECT_EQ(token_of(again), had);
  EXPECT_EQ(again.header("Idempotency-Replayed"), "true");
  EXPECT_EQ(code_of(call("POST", "/v1/locks/l", body_of("third", "60s"), key)),
            "idempotency_mismatch");
  EXPECT_EQ(call("PUT", fmt::format("/v1/locks/l?token={}", had)).status, 200);
}

TEST_F(LocksApi, WhereTheFirstInLineFailsTheNextOneTries) {
  const uint64_t token = acquired("first");
  const size_t second = waits("second");
  const size_t third = waits("third");
  on_apply = [&](const Command& command) {
    if (std::holds_alternative<ReleaseLockCommand>(command.act))
      refuses_next = raft::RefusalReason::kNoLeader;
  };
  released(token);
  ASSERT_TRUE(answers[second]);
  EXPECT_EQ(code_of(*answers[second]), "no_leader");
  ASSERT_TRUE(answers[third]);
  EXPECT_EQ(answers[third]->status, 200);
}

TEST_F(LocksApi, WhatComesFreeDuringATryIsNotMissed) {
  obey({.act = AcquireLockCommand{"l", "first", {7}, 10'000}});
  int tries = 0;
  on_apply = [&](const Command& command) {
    if (!std::holds_alternative<AcquireLockCommand>(command.act) || ++tries > 1) return;
    // Refused already, and the answer is on its way.
    obey({.act = RevokeLeaseCommand{{7}}});
    lock_waiters().look(clock.now());
  };
  const size_t second = waits("second");
  ASSERT_TRUE(answers[second]);
  EXPECT_EQ(answers[second]->status, 200);
  EXPECT_EQ(tries, 2);
}

TEST_F(LocksApi, WhereSomeNewsIsLostAllLook) {
  const uint64_t token = acquired("first");
  const size_t second = waits("second");
  const std::string name(kKeyBytesMax, 'n');
  obey({.act = ReleaseLockCommand{"l", token}});
  for (size_t bytes = 0; bytes <= FreedLocks::kNameBytesMax; bytes += name.size()) {
    obey({.act = AcquireLockCommand{name, "", {7}, 1'000}});
    obey({.act = RevokeLeaseCommand{{7}}});
  }
  settle();
  ASSERT_TRUE(answers[second]);
  EXPECT_EQ(answers[second]->status, 200);
}

TEST_F(LocksApi, TooManyAreTurnedAway) {
  acquired("first");
  for (size_t i = 0; i < LockWaiters::kPlacesMax; ++i)
    begin("POST", "/v1/locks/l", body_of("x", "60s"));
  settle();
  const http::Response refused = call("POST", "/v1/locks/other", body_of("y"));
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(code_of(refused), "too_many_requests");
  EXPECT_EQ(refused.header("Retry-After"), "1");
  clock.advance(seconds(60));
  settle();
  EXPECT_EQ(call("POST", "/v1/locks/other", body_of("y")).status, 200);
}

TEST_F(LocksApi, ANodeThatStopsKeepsNobodyWaiting) {
  acquired("first");
  const size_t second = waits("second");
  lock_waiters().end();
  settle();
  ASSERT_TRUE(answers[second]);
  EXPECT_EQ(answers[second]->status, 503);
  EXPECT_EQ(code_of(*answers[second]), "not_ready");
  EXPECT_EQ(json_of(*answers[second]).at("outcome"), "not_applied");
}

TEST_F(LocksApi, BadInputIsNamed) {
  const std::vector<std::pair<std::string, std::string>> bodies = {
      {"{}", "ttl: it is missing"},
      {"", "body"},
      {R"({"ttl":"999ms"})", "'ttl'"},
      {R"({"ttl":"10s","wait":"61s"})", "'wait'"},
      {R"({"ttl":"10s","wait":"soon"})", "'wait'"},
      {R"({"ttl":"10s","owner":7})", "owner"},
      {R"({"ttl":"10s","owner":")" + std::string(257, 'o') + R"("})", "'owner'"},
      {R"({"ttl":"10s","name":"l"})", "name"},
  };
  for (const auto& [body, named] : bodies) {
    const http::Response refused = call("POST", "/v1/locks/l", body);
    EXPECT_EQ(refused.status, 400) << body;
    EXPECT_THAT(json_of(refused).at("detail").get<std::string>(), HasSubstr(named)) << body;
  }
  EXPECT_EQ(call("POST", "/v1/locks/", body_of("x")).status, 400);
  const http::Response long_name =
      call("POST", "/v1/locks/" + std::string(4097, 'n'), body_of("x"));
  EXPECT_EQ(long_name.status, 414);
  EXPECT_THAT(long_name.body, HasSubstr("the lock's name has 4097 bytes"));
  EXPECT_EQ(call("POST", "/v1/locks/" + std::string(4096, 'n'), body_of("x")).status, 200);
  EXPECT_EQ(call("POST", "/v1/locks/l?wait=5s", body_of("x")).status, 400);
  for (const char* method : {"PUT", "DELETE"}) {
    for (const char* query : {"", "?token=", "?token=x", "?token=-1", "?token=1&token=2", "?t=1"})
      EXPECT_EQ(call(method, std::string("/v1/locks/l") + query).status, 400) << method << query;
    EXPECT_EQ(call(method, "/v1/locks/l?token=1", "body").status, 400);
  }
  EXPECT_EQ(call("GET", "/v1/locks/l?revision=1").status, 400);
  EXPECT_EQ(call("GET", "/v1/locks/l?token=1").status, 400);
  EXPECT_EQ(call("POST", "/v1/locks/b", R"({"ttl":"10s","owner_base64":"/w=="})").status, 200);
  EXPECT_EQ(json_of(call("GET", "/v1/locks/b")).at("owner_base64"), "/w==");
}

TEST_F(LocksApi, NoneIsGivenWhereThereIsNoRoom) {
  const uint64_t token = acquired("first");
  status.raft.refuses_growth = true;
  publish(status);
  EXPECT_EQ(code_of(call("POST", "/v1/locks/other", body_of("x"))), "no_space");
  EXPECT_EQ(call("PUT", fmt::format("/v1/locks/l?token={}", token)).status, 200);
  EXPECT_EQ(released(token).status, 200);
}

TEST_F(LocksApi, WhatTheReplicaRefusesIsToldAsOfAnyChange) {
  refuses = raft::RefusalReason::kUnknown;
  const http::Response unknown = call("POST", "/v1/locks/l", body_of("me"));
  EXPECT_EQ(code_of(unknown), "outcome_unknown");
  refuses = raft::RefusalReason::kNoLeader;
  for (const char* method : {"PUT", "DELETE"})
    EXPECT_EQ(code_of(call(method, "/v1/locks/l?token=2")), "no_leader");
}

}  // namespace
}  // namespace holdfast
