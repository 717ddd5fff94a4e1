// ?explain=true: what a request passed, for those that ask, and nothing for the others.

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

// The fixture's replica says of a traced request: given after 1 ms, on its disk after 1.5 ms,
// settled after 3 ms. Its clock stands, so the rest takes nothing.
constexpr const char* kChange = "queue;dur=1.000, log;dur=0.500, quorum;dur=1.500, apply;dur=0.000";
constexpr const char* kChangeElsewhere = "queue;dur=1.000, quorum;dur=2.000, apply;dur=0.000";
constexpr const char* kReadTiming =
    "queue;dur=1.000, quorum;dur=2.000, apply;dur=0.000, read;dur=0.000";

class ExplainApi : public ApiTest {
 protected:
  std::string timing(const std::string& method, const std::string& target,
                     const std::string& body = "") {
    last = call(method, target, body);
    return std::string(last.header("Server-Timing").value_or("none"));
  }
  std::string read_header() const {
    return std::string(last.header("Holdfast-Read").value_or("none"));
  }
  void lead_elsewhere() {
    status.raft.role = raft::Role::kFollower;
    status.raft.leader = NodeId{8};
    publish(status);
  }
  http::Response last;
};

TEST_F(ExplainApi, ChangesShowTheirStages) {
  EXPECT_EQ(timing("PUT", "/v1/kv/a?explain=true", "1"), kChange);
  EXPECT_EQ(read_header(), "none");
  EXPECT_EQ(timing("POST", "/v1/txn?explain=true", R"({"then":[{"get":{"key":"a"}}]})"), kChange);
  EXPECT_EQ(timing("DELETE", "/v1/kv/a?explain=true"), kChange);
  EXPECT_EQ(timing("DELETE", "/v1/kv?prefix=a&explain=true"), kChange);
}

TEST_F(ExplainApi, WhatAnotherNodeDidIsOneStage) {
  lead_elsewhere();
  EXPECT_EQ(timing("PUT", "/v1/kv/a?explain=true", "1"), kChangeElsewhere);
  EXPECT_EQ(timing("GET", "/v1/kv/a?explain=true"), kReadTiming);
  EXPECT_EQ(read_header(), "linearizable; confirmed=leader; served=memory; stale-ms=0");
}

TEST_F(ExplainApi, ReadsSayHowTheyWereServed) {
  call("PUT", "/v1/kv/a", "1");
  EXPECT_EQ(timing("GET", "/v1/kv/a?explain=true"), kReadTiming);
  EXPECT_EQ(read_header(), "linearizable; confirmed=here; served=memory; stale-ms=0");
  engine.cold = true;
  EXPECT_EQ(timing("GET", "/v1/kv/a?explain=true"), kReadTiming);
  EXPECT_EQ(read_header(), "linearizable; confirmed=here; served=reader; stale-ms=0");
  EXPECT_EQ(timing("GET", "/v1/kv/none?explain=true"), kReadTiming) << "404 too";
  for (const char* target : {"/v1/kv?explain=true", "/v1/history/a?explain=true"}) {
    EXPECT_EQ(timing("GET", target), kReadTiming) << target;
    EXPECT_EQ(read_header(), "linearizable; confirmed=here; served=reader; stale-ms=0") << target;
  }
}

TEST_F(ExplainApi, ALocalReadSaysHowOldItMayBe) {
  EXPECT_EQ(timing("GET", "/v1/kv/a?explain=true&consistency=local"), "read;dur=0.000");
  EXPECT_EQ(read_header(), "local; served=memory; stale-ms=unknown");
  status.raft.current_as_of = clock.now();
  publish(status);
  clock.advance(std::chrono::milliseconds(37));
  timing("GET", "/v1/kv/a?explain=true&consistency=local");
  EXPECT_EQ(read_header(), "local; served=memory; stale-ms=37");
}

TEST_F(ExplainApi, WhoDoesNotAskIsToldNothing) {
  for (const char* target : {"/v1/kv/a", "/v1/kv/a?explain=false"}) {
    EXPECT_EQ(timing("PUT", target, "1"), "none");
    EXPECT_EQ(timing("GET", target), "none");
    EXPECT_EQ(read_header(), "none");
  }
  EXPECT_EQ(call("GET", "/v1/kv/a?explain=yes").status, 400);
  EXPECT_EQ(call("GET", "/v1/leases?explain=true").status, 400);
  refuses = raft::RefusalReason::kNoLeader;
  EXPECT_EQ(timing("PUT", "/v1/kv/a?explain=true", "1"), "none");
}

TEST_F(ExplainApi, ItIsNoPartOfWhatIsAskedUnderAKey) {
  const Headers once = {{"Idempotency-Key", "k"}};
  EXPECT_EQ(call("PUT", "/v1/kv/a", "1", once).status, 201);
  const http::Response again = call("PUT", "/v1/kv/a?explain=true", "1", once);
  EXPECT_EQ(again.header("Idempotency-Replayed"), "true");
  EXPECT_EQ(again.header("Server-Timing"), kChange);
}

}  // namespace
}  // namespace holdfast
