#include "client/kv_client.h"

#include <gtest/gtest.h>

#include "tests/client/scripted_server_fixture.h"
#include "tests/client/still_clock.h"

namespace holdfast {
namespace {

using Kind = Step::Kind;
using std::chrono::milliseconds;
using std::chrono::seconds;

class KvClientTest : public ::testing::Test {
 protected:
  // `repeats_unknown`: its changes bear keys.
  KvClient client(std::vector<Endpoint> endpoints, Duration timeout = seconds(20),
                  bool repeats_unknown = false) {
    return {Caller({.endpoints = std::move(endpoints),
                    .first_endpoint = 0,
                    .timeout = timeout,
                    .repeats_unknown = repeats_unknown},
                   clock_, Random(1)),
            [this](Duration pause) {
              pauses_.push_back(pause);
              clock_.pass(pause);
            }};
  }

  StillClock clock_;
  std::vector<Duration> pauses_;
};

const std::string kStored = http_answer(201, R"({"revision":7,"created":true})");
const std::string kTimeout = problem_answer(504, "timeout", "unknown", true);

TEST_F(KvClientTest, PutSaysWhatWasStored) {
  ScriptedServer server({{Kind::kAnswer, kStored}});
  const auto outcome = client({server.endpoint()}).put("a b/ü", "x");
  ASSERT_TRUE(std::holds_alternative<PutAnswer>(outcome));
  EXPECT_EQ(std::get<PutAnswer>(outcome).revision, 7u);
  EXPECT_TRUE(std::get<PutAnswer>(outcome).is_created);
  EXPECT_TRUE(server.requests().at(0).starts_with("PUT /v1/kv/a%20b/%C3%BC?timeout="))
      << server.requests().at(0);
}

TEST_F(KvClientTest, LeasesAreGrantedShownAndRevoked) {
  ScriptedServer server(
      {{Kind::kAnswer, http_answer(201, R"({"id":"00000000000000a1","ttl_ms":1500})")},
       {Kind::kAnswer, kStored},
       {Kind::kAnswer, kStored},
       {Kind::kAnswer,
        http_answer(200, R"({"id":"00000000000000a1","ttl_ms":1500,"remaining_ms":700,)"
                         R"("keys":[{"key":"a"},{"key_base64":"/w=="}],"count":2,"next":"bb"})")},
       {Kind::kAnswer, http_answer(200, R"({"leases":[{"id":"00000000000000a1","ttl_ms":1500,)"
                                        R"("remaining_ms":700}],"count":1})")},
       {Kind::kAnswer, http_answer(200, R"({"revision":9,"deleted":2,"finished":false})")}});
  KvClient kv = client({server.endpoint()});
  const auto granted = kv.grant_lease(milliseconds(1500));
  EXPECT_EQ(std::get<LeaseAnswer>(granted).id, "00000000000000a1");
  kv.put("a", "x", {}, {.lease = "00000000000000a1"});
  kv.put("b", "x", {}, {.lease = {}, .ttl = seconds(2)});
  const auto shown = kv.lease("00000000000000a1");
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->remaining_ms, 700u);
  EXPECT_EQ(shown->keys, (std::vector<std::string>{"a", "\xff"}));
  EXPECT_EQ(shown->next, "bb");
  const auto all = kv.leases("aa");
  ASSERT_TRUE(all);
  EXPECT_EQ(all->leases.at(0).ttl_ms, 1500u);
  const auto revoked = kv.revoke_lease("00000000000000a1");
  EXPECT_EQ(std::get<RevokeAnswer>(revoked).deleted, 2u);
  EXPECT_FALSE(std::get<RevokeAnswer>(revoked).is_finished);
  const std::vector<std::string> expected = {
      "POST /v1/leases?",          "PUT /v1/kv/a?lease=00000000000000a1&",
      "PUT /v1/kv/b?ttl=2000ms&",  "GET /v1/leases/00000000000000a1?",
      "GET /v1/leases?cursor=aa&", "DELETE /v1/leases/00000000000000a1?"};
  const std::vector<std::string> requests = server.requests();
  ASSERT_EQ(requests.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_TRUE(requests[i].starts_with(expected[i])) << requests[i];
}

TEST_F(KvClientTest, AKeepAliveWithoutAnAnswerIsMadeAgain) {
  ScriptedServer first({{Kind::kCloseUnanswered, ""}});
  ScriptedServer second(
      {{Kind::kAnswer, http_answer(200, R"({"id":"00000000000000a1","ttl_ms":1500})")}});
  const auto kept = client({first.endpoint(), second.endpoint()}).keep_lease_alive("a1");
  ASSERT_TRUE(std::holds_alternative<LeaseAnswer>(kept));
  EXPECT_EQ(std::get<LeaseAnswer>(kept).ttl_ms, 1500u);
}

TEST_F(KvClientTest, AKeepAliveThatIsNeverAnsweredIsUnknown) {
  std::vector<Step> steps(200, Step{Kind::kAnswer, no_leader_answer()});
  steps.front() = {Kind::kCloseUnanswered, ""};
  ScriptedServer silent(std::move(steps));
  const auto kept = client({silent.endpoint()}, seconds(2)).keep_lease_alive("a1");
  EXPECT_TRUE(std::holds_alternative<Unknown>(kept)) << "it may have been kept alive";
  ScriptedServer gone(
      {{Kind::kAnswer, problem_answer(404, "lease_not_found", "not_applied", false)}});
  EXPECT_TRUE(std::holds_alternative<Refusal>(client({gone.endpoint()}).keep_lease_alive("a1")));
}

TEST_F(KvClientTest, WriteRefusedBeforeItHappenedIsMadeAgainAtTheNextNode) {
  ScriptedServer first({{Kind::kAnswer, no_leader_answer()}});
  ScriptedServer second({{Kind::kAnswer, kStored}});
  KvClient kv = client({first.endpoint(), second.endpoint()});
  EXPECT_TRUE(std::holds_alternative<PutAnswer>(kv.put("a", "x")));
  EXPECT_EQ(kv.counts().sent, 2u);
  EXPECT_EQ(kv.counts().refused, 1u);
  EXPECT_EQ(kv.counts().repeated, 1u);
}

TEST_F(KvClientTest, WriteGoesToTheNextNodeAtOnceWhereNobodyListens) {
  ScriptedServer second({{Kind::kAnswer, kStored}});
  KvClient kv = client({closed_endpoint(), second.endpoint()});
  EXPECT_TRUE(std::holds_alternative<PutAnswer>(kv.put("a", "x")));
  EXPECT_TRUE(pauses_.empty());
}

TEST_F(KvClientTest, WriteWithoutAnAnswerIsUnknownAndNeverMadeAgain) {
  ScriptedServer first({{Kind::kCloseUnanswered, {}}});
  ScriptedServer second({{Kind::kAnswer, kStored}});
  KvClient kv = client({first.endpoint(), second.endpoint()});
  EXPECT_TRUE(std::holds_alternative<Unknown>(kv.put("a", "x")));
  EXPECT_EQ(kv.counts().unknown, 1u);
  EXPECT_TRUE(second.requests().empty());
}

TEST_F(KvClientTest, WriteAnsweredWithOutcomeUnknownIsNeverMadeAgain) {
  for (const std::string& answer : {kTimeout, http_answer(502, "proxy says no"),
                                    http_answer(503, "<html>"), http_answer(500, "{}")}) {
    ScriptedServer first({{Kind::kAnswer, answer}});
    ScriptedServer second({{Kind::kAnswer, kStored}});
    KvClient kv = client({first.endpoint(), second.endpoint()});
    EXPECT_TRUE(std::holds_alternative<Unknown>(kv.remove("a"))) << answer;
    EXPECT_TRUE(second.requests().empty()) << answer;
  }
}

TEST_F(KvClientTest, UnderAKeyAnUnknownWriteIsMadeAgain) {
  for (const Step& step : {Step{Kind::kCloseUnanswered, {}}, Step{Kind::kAnswer, kTimeout},
                           Step{Kind::kAnswer, http_answer(502, "proxy says no")}}) {
    ScriptedServer first({step});
    ScriptedServer second({{Kind::kAnswer, kStored}});
    KvClient kv = client({first.endpoint(), second.endpoint()}, seconds(20), true);
    EXPECT_TRUE(std::holds_alternative<PutAnswer>(kv.put("a", "x")));
    EXPECT_EQ(kv.counts().unknown, 1u);
    EXPECT_EQ(kv.counts().repeated, 1u);
  }
}

TEST_F(KvClientTest, WhatWasOnceUnknownIsNotRefusedByWhatDidNotHappenLater) {
  // Neither no leader, nor a refusal at the door of a node, tells what became of the first try.
  for (const std::string& later :
       {no_leader_answer(), problem_answer(400, "bad_request", "not_applied", false),
        problem_answer(429, "too_many_requests", "not_applied", true)}) {
    std::vector<Step> steps(200, Step{Kind::kAnswer, later});
    steps.front().text = kTimeout;
    ScriptedServer server(std::move(steps));
    KvClient kv = client({server.endpoint()}, seconds(2), true);
    EXPECT_TRUE(std::holds_alternative<Unknown>(kv.put("a", "x"))) << later;
  }
  // A refusal that is kept under the key is the first try's own answer; a mismatch, say, is not.
  for (const auto& [status, code, is_decided] : {std::tuple{412, "precondition_failed", true},
                                                 {404, "lease_not_found", true},
                                                 {413, "range_too_large", false},
                                                 {422, "idempotency_mismatch", false},
                                                 {404, "key_not_found", false}}) {
    ScriptedServer server({{Kind::kAnswer, kTimeout},
                           {Kind::kAnswer, problem_answer(status, code, "not_applied", false)}});
    const auto outcome = client({server.endpoint()}, seconds(20), true).put("a", "x");
    EXPECT_EQ(std::holds_alternative<Refusal>(outcome), is_decided) << code;
    EXPECT_EQ(std::holds_alternative<Unknown>(outcome), !is_decided) << code;
  }
}

TEST_F(KvClientTest, WhatIsNotKeptUnderAKeyIsMadeOnceMoreWithoutOne) {
  const std::string too_large = problem_answer(413, "range_too_large", "not_applied", false);
  ScriptedServer stores({{Kind::kAnswer, too_large}, {Kind::kAnswer, kStored}});
  EXPECT_TRUE(std::holds_alternative<PutAnswer>(
      client({stores.endpoint()}, seconds(20), true).put("a", "x")));
  EXPECT_TRUE(pauses_.empty());
  ScriptedServer refuses({{Kind::kAnswer, too_large}, {Kind::kAnswer, too_large}});
  KvClient kv = client({refuses.endpoint()}, seconds(20), true);
  const auto outcome = kv.put("a", "x");
  ASSERT_TRUE(std::holds_alternative<Refusal>(outcome));
  EXPECT_EQ(std::get<Refusal>(outcome).code, "range_too_large");
  EXPECT_EQ(kv.counts().sent, 2u);
  // What was open is not closed by a later try without a key, which could be the second one.
  ScriptedServer open({{Kind::kAnswer, kTimeout}, {Kind::kAnswer, too_large}});
  KvClient careful = client({open.endpoint()}, seconds(20), true);
  EXPECT_TRUE(std::holds_alternative<Unknown>(careful.put("a", "x")));
  EXPECT_EQ(careful.counts().sent, 2u);
}

TEST_F(KvClientTest, ANodeIsAskedForAMinuteAtMostAndAgainIfThereIsTime) {
  ScriptedServer server({{Kind::kAnswer, problem_answer(504, "timeout", "not_applied", true)},
                         {Kind::kAnswer, http_answer(200, "x")}});
  EXPECT_TRUE(client({server.endpoint()}, std::chrono::minutes(5)).get("a"));
  for (const std::string& request : server.requests())
    EXPECT_NE(request.find("timeout=60000ms"), std::string::npos) << request;
}

TEST_F(KvClientTest, UnderAKeyAChangeIsNotRepeatedWhenTheKeyMayBeForgotten) {
  std::vector<Step> steps(200, Step{Kind::kAnswer, problem_answer(503, "overloaded", "not_applied",
                                                                  true, "Retry-After: 60\r\n")});
  steps.front().text = kTimeout;
  ScriptedServer server(std::move(steps));
  const Instant begun = clock_.now();
  const auto outcome = client({server.endpoint()}, std::chrono::hours(1), true).put("a", "x");
  EXPECT_TRUE(std::holds_alternative<Unknown>(outcome));
  EXPECT_GT(clock_.now() - begun, std::chrono::minutes(7));
  EXPECT_LE(clock_.now() - begun, std::chrono::minutes(9));
}

TEST_F(KvClientTest, EveryCallTellsTheNodeHowMuchTimeItHas) {
  const std::string refusal = problem_answer(400, "bad_request", "not_applied", false);
  ScriptedServer server(std::vector<Step>(9, Step{Kind::kAnswer, refusal}));
  KvClient kv = client({server.endpoint()});
  kv.history("a", {}, 0);
  kv.usage("a");
  kv.settings();
  kv.change_settings({.keep_history = "2h"});
  kv.compact(7);
  kv.move_leader("n2");
  kv.remove_member("n2");
  kv.promote_member("n2");
  kv.cluster();
  const std::vector<std::string> requests = server.requests();
  ASSERT_EQ(requests.size(), 9u);
  for (size_t i = 0; i < 8; ++i)
    EXPECT_NE(requests[i].find("timeout="), std::string::npos) << requests[i];
  EXPECT_EQ(requests[8].find("timeout="), std::string::npos) << "it is answered at once";
}

TEST_F(KvClientTest, ATransactionIsAnsweredAsItIs) {
  const std::string body = R"({"revision":7,"succeeded":false,"results":[]})";
  ScriptedServer server({{Kind::kAnswer, http_answer(200, body)}});
  const auto outcome = client({server.endpoint()}).transact("{}");
  ASSERT_TRUE(std::holds_alternative<TxnAnswer>(outcome));
  EXPECT_EQ(std::get<TxnAnswer>(outcome).body, body);
  EXPECT_FALSE(std::get<TxnAnswer>(outcome).has_succeeded);
  EXPECT_TRUE(server.requests().at(0).starts_with("POST /v1/txn?timeout="));
}

TEST_F(KvClientTest, ASuccessThatCannotBeReadIsUnknown) {
  ScriptedServer server({{Kind::kAnswer, http_answer(200, "not json")}});
  EXPECT_TRUE(std::holds_alternative<Unknown>(client({server.endpoint()}).put("a", "x")));
}

TEST_F(KvClientTest, WhatTheClusterDecidedIsNotAskedAgain) {
  ScriptedServer server(
      {{Kind::kAnswer, problem_answer(412, "precondition_failed", "not_applied", false)},
       {Kind::kAnswer, kStored}});
  KvClient kv = client({server.endpoint()});
  const auto outcome = kv.put("a", "x", {.if_match = "\"7\"", .if_none_match = {}});
  ASSERT_TRUE(std::holds_alternative<Refusal>(outcome));
  EXPECT_EQ(std::get<Refusal>(outcome).status, 412u);
  EXPECT_EQ(std::get<Refusal>(outcome).code, "precondition_failed");
  EXPECT_EQ(kv.counts().sent, 1u);
}

TEST_F(KvClientTest, ReadWithoutAnAnswerIsMadeAgain) {
  ScriptedServer first({{Kind::kCloseUnanswered, {}}});
  ScriptedServer second(
      {{Kind::kAnswer, http_answer(200, "x",
                                   "ETag: \"9\"\r\nHoldfast-Create-Revision: 4\r\n"
                                   "Holdfast-Version: 3\r\n")}});
  const auto value = client({first.endpoint(), second.endpoint()}).get("a");
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_EQ(value->bytes, "x");
  EXPECT_EQ(value->mod_revision, 9u);
  EXPECT_EQ(value->create_revision, 4u);
  EXPECT_EQ(value->version, 3u);
}

TEST_F(KvClientTest, ReadAnsweredTimeoutIsMadeAgain) {
  ScriptedServer server({{Kind::kAnswer, problem_answer(504, "timeout", "not_applied", true)},
                         {Kind::kAnswer, http_answer(200, "x")}});
  EXPECT_TRUE(client({server.endpoint()}).get("a", {Consistency::kLocal}));
  EXPECT_NE(server.requests().at(0).find("consistency=local"), std::string::npos);
}

TEST_F(KvClientTest, PausesGrowAreJitteredAndEndWithTheDeadline) {
  ScriptedServer server(std::vector<Step>(200, Step{Kind::kAnswer, no_leader_answer()}));
  KvClient kv = client({server.endpoint()}, seconds(3));
  const auto outcome = kv.put("a", "x");
  ASSERT_TRUE(std::holds_alternative<Refusal>(outcome));
  EXPECT_TRUE(std::get<Refusal>(outcome).retryable);
  ASSERT_GT(pauses_.size(), 8u);
  EXPECT_LE(pauses_.front(), milliseconds(10));
  EXPECT_GE(pauses_.back(), milliseconds(125));
  EXPECT_LE(pauses_.back(), milliseconds(250));
  Duration total{};
  for (const Duration pause : pauses_) total += pause;
  EXPECT_LT(total, seconds(3));
  EXPECT_NE(pauses_[pauses_.size() - 1], pauses_[pauses_.size() - 2]);
}

TEST_F(KvClientTest, AChangeThatWasRefusedIsNotTriedAgainWhereNoAnswerWouldCome) {
  const auto pauses_of = [this](const std::string& first, auto call, Duration timeout = seconds(3),
                                const std::string& later = no_leader_answer()) {
    std::vector<Step> steps(200, Step{Kind::kAnswer, later});
    steps.front().text = first;
    ScriptedServer server(std::move(steps));
    KvClient kv = client({server.endpoint()}, timeout, true);
    const Instant begun = clock_.now();
    call(kv);
    return clock_.now() - begun;
  };
  const auto put = [](KvClient& kv) { kv.put("a", "x"); };
  EXPECT_LE(pauses_of(no_leader_answer(), put), milliseconds(2700));
  // These have nothing to lose.
  EXPECT_GT(pauses_of(kTimeout, put), milliseconds(2700));
  EXPECT_GT(pauses_of(no_leader_answer(), [](KvClient& kv) { kv.get("a"); }), milliseconds(2700));
  // An answer takes a second, not the tenth of an hour.
  const std::string later =
      problem_answer(503, "overloaded", "not_applied", true, "Retry-After: 60\r\n");
  EXPECT_GT(pauses_of(later, put, std::chrono::hours(1), later), std::chrono::minutes(7));
}

TEST_F(KvClientTest, ANodeWithTooMuchToDoIsLeftAloneAsLongAsItAsks) {
  ScriptedServer server({{Kind::kAnswer, problem_answer(429, "too_many_requests", "not_applied",
                                                        true, "Retry-After: 2\r\n")},
                         {Kind::kAnswer, kStored}});
  EXPECT_TRUE(std::holds_alternative<PutAnswer>(client({server.endpoint()}).put("a", "x")));
  ASSERT_EQ(pauses_.size(), 1u);
  EXPECT_GE(pauses_.front(), seconds(1));
  EXPECT_LE(pauses_.front(), seconds(2));
}

TEST_F(KvClientTest, AClusterThatCannotBeReachedIsReportedSoon) {
  KvClient kv = client({closed_endpoint(), closed_endpoint()});
  const auto value = kv.get("a");
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code, "unreachable");
  EXPECT_TRUE(value.error().retryable);
  EXPECT_EQ(kv.counts().sent, 6u);
}

TEST_F(KvClientTest, ScanCarriesItsQueryAndReadsBothFormsOfBytes) {
  ScriptedServer server({{Kind::kAnswer, http_answer(200, R"({"revision":9,"items":[
      {"key":"a","value_base64":"/w==","create_revision":2,"mod_revision":3,"version":2}],
      "count":1,"next":"c1"})")}});
  ScanQuery query;
  query.prefix = "a/&";
  query.limit = 5;
  query.is_reverse = true;
  query.cursor = "c0";
  const auto page = client({server.endpoint()}).scan(query);
  ASSERT_TRUE(page) << page.error().message;
  EXPECT_EQ(page->items.at(0).value, "\xff");
  EXPECT_EQ(page->next, "c1");
  EXPECT_TRUE(server.requests().at(0).starts_with(
      "GET /v1/kv?prefix=a%2F%26&limit=5&reverse=true&consistency=linearizable&cursor=c0&"))
      << server.requests().at(0);
}

TEST_F(KvClientTest, ClusterViewKeepsWhatIsNotKnownApart) {
  ScriptedServer server({{Kind::kAnswer, http_answer(200, R"({"cluster_id":"c","leader":null,
      "term":3,"quorum":false,"node":{"name":"n1","role":"candidate","term":3,"commit_index":91,
      "applied_index":90,"durable_index":60,"revision":88,"state_hash":null,
      "state_hash_index":null,"fenced":null},"members":[{"name":"n2","id":"18446744073709551615",
      "role":null,"voter":true,"peer":"127.0.0.1:4654","client_url":null,"healthy":null,
      "match_index":null,"lag_entries":null,"last_contact_ms":null}]})")}});
  const auto view = client({server.endpoint()}).cluster();
  ASSERT_TRUE(view) << view.error().message;
  EXPECT_EQ(view->leader, "");
  EXPECT_EQ(view->node.applied_index, 90u);
  EXPECT_EQ(view->members.at(0).id, "18446744073709551615");
  EXPECT_EQ(view->members.at(0).is_healthy, std::nullopt);
  EXPECT_EQ(view->members.at(0).lag_entries, std::nullopt);
}

TEST_F(KvClientTest, ABackupIsAskedOfAnotherNodeOnlyBeforeItBegins) {
  const std::string broken = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
  ScriptedServer busy(
      {{Kind::kAnswer, problem_answer(429, "too_many_requests", "not_applied", true)}});
  ScriptedServer breaks({{Kind::kAnswerAndClose, broken}});
  std::string taken;
  BodySink sink{.take =
                    [&](std::string_view bytes) {
                      taken += bytes;
                      return true;
                    },
                .patience = seconds(20)};
  const auto outcome =
      client({busy.endpoint(), breaks.endpoint()}).snapshot(Consistency::kLinearizable, sink);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, "cut_off");
  EXPECT_EQ(taken, "first");
  EXPECT_EQ(busy.requests().size(), 1u);
  EXPECT_TRUE(
      breaks.requests().at(0).starts_with("GET /v1/snapshot?consistency=linearizable&timeout="));
}

TEST_F(KvClientTest, WhatTheNodeExplainsIsKept) {
  ScriptedServer server(
      {{Kind::kAnswer, http_answer(201, R"({"revision":7,"created":true})",
                                   "Holdfast-Node: n1\r\nServer-Timing: queue;dur=0.1\r\n")}});
  KvClient asking(Caller({.endpoints = {server.endpoint()}, .explains = true}, clock_, Random(1)),
                  [](Duration) {});
  asking.put("a", "x");
  EXPECT_TRUE(server.requests().at(0).ends_with("&explain=true")) << server.requests().at(0);
  EXPECT_EQ(asking.explanation().node, "n1");
  EXPECT_EQ(asking.explanation().timing, "queue;dur=0.1");
  EXPECT_EQ(asking.explanation().read, "");
  ScriptedServer other({{Kind::kAnswer, kStored}});
  client({other.endpoint()}).put("a", "x");
  EXPECT_FALSE(other.requests().at(0).contains("explain"));
}

const std::vector<std::string> kLines = {"{\"put\":1}\n", "{\"put\":2}\n", "{\"put\":3}\n"};
const std::string kDone = R"({"revision":7,"put":{"created":true}})"
                          "\n";

std::string error_answer(const std::string& code, const std::string& outcome,
                         const std::string& more = "") {
  return R"({"error":{"line":2,"status":503,"code":")" + code + R"(","detail":"no","outcome":")" +
         outcome + R"(","retryable":true)" + more + "}}\n";
}

template <class T>
bool is(const WriteOutcome<BulkAnswer>& outcome) {
  return std::holds_alternative<T>(outcome);
}

TEST_F(KvClientTest, EachLineOfABulkHasItsOutcome) {
  ScriptedServer server(
      {{Kind::kAnswer, http_answer(200, kDone + error_answer("no_leader", "not_applied") +
                                            error_answer("outcome_unknown", "unknown"))}});
  KvClient kv = client({server.endpoint()});
  const auto outcomes = kv.bulk(kLines);
  ASSERT_EQ(outcomes.size(), 3u);
  EXPECT_EQ(std::get<BulkAnswer>(outcomes[0]).json + "\n", kDone);
  EXPECT_EQ(std::get<Refusal>(outcomes[1]).code, "no_leader");
  EXPECT_TRUE(std::get<Refusal>(outcomes[1]).retryable);
  EXPECT_TRUE(is<Unknown>(outcomes[2]));
  EXPECT_EQ(kv.counts().sent, 3u);
  EXPECT_EQ(kv.counts().refused, 1u);
  EXPECT_EQ(kv.counts().unknown, 1u);
  EXPECT_TRUE(server.requests().at(0).starts_with("POST /v1/bulk?timeout="));
}

// The node begins each line when it has come: what is cut off is unknown, whatever was sent.
TEST_F(KvClientTest, WhatABulkThatIsCutOffDoesNotAnswerIsUnknown) {
  std::string cut = http_answer(200, kDone + kDone);
  cut.resize(cut.size() - 5);
  ScriptedServer server({{Kind::kAnswerAndClose, cut}});
  ScriptedServer other({{Kind::kAnswer, http_answer(200, kDone + kDone + kDone)}});
  KvClient kv = client({server.endpoint(), other.endpoint()});
  const auto outcomes = kv.bulk(kLines);
  ASSERT_EQ(outcomes.size(), 3u);
  EXPECT_TRUE(is<BulkAnswer>(outcomes[0]));
  EXPECT_TRUE(is<Unknown>(outcomes[1]));
  EXPECT_TRUE(is<Unknown>(outcomes[2]));
  EXPECT_TRUE(is<BulkAnswer>(kv.bulk(kLines)[2])) << "the next is asked of another node";
}

TEST_F(KvClientTest, SoIsABulkThatWasNotSentWhole) {
  ScriptedServer server({{Kind::kRefuseEarly, ""}});
  const std::vector<std::string> lines(3, std::string(size_t{8} << 20, ' ') + "\n");
  for (const auto& outcome : client({server.endpoint()}).bulk(lines))
    EXPECT_TRUE(is<Unknown>(outcome));
}

TEST_F(KvClientTest, BehindALastLineNothingWasBegun) {
  ScriptedServer server(
      {{Kind::kAnswer,
        http_answer(200, kDone + error_answer("not_ready", "not_applied", R"(,"last":true)"))}});
  const auto outcomes = client({server.endpoint()}).bulk(kLines);
  EXPECT_TRUE(is<BulkAnswer>(outcomes[0]));
  EXPECT_EQ(std::get<Refusal>(outcomes[1]).code, "not_ready");
  EXPECT_EQ(std::get<Refusal>(outcomes[2]).code, "not_ready");
}

TEST_F(KvClientTest, ABulkThatIsRefusedWholeOrMeetsNobodyChangesNothing) {
  ScriptedServer server({{Kind::kAnswer, no_leader_answer()}, {Kind::kAnswer, kTimeout}});
  KvClient kv = client({server.endpoint()});
  EXPECT_EQ(std::get<Refusal>(kv.bulk(kLines)[2]).code, "no_leader");
  EXPECT_TRUE(is<Unknown>(kv.bulk(kLines)[0])) << "504";
  const auto nobody = client({closed_endpoint()}).bulk(kLines);
  EXPECT_EQ(std::get<Refusal>(nobody[0]).code, "unreachable");
  EXPECT_TRUE(std::get<Refusal>(nobody[0]).retryable);
  ScriptedServer silent({{Kind::kCloseUnanswered, ""}});
  EXPECT_TRUE(is<Unknown>(client({silent.endpoint()}).bulk(kLines)[0]));
}

}  // namespace
}  // namespace holdfast
