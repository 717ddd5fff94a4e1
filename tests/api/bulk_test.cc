// POST /v1/bulk: a line in, a line out, in order; nothing waits that need not; nothing grows.

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/api/txn_request.h"
#include "server/http/body_stream.h"
#include "tests/api/api_fixture.h"

namespace holdfast {
namespace {

using http::RequestBody;
using nlohmann::json;
using testing::HasSubstr;

std::string put_line(const std::string& key, const std::string& value,
                     const std::string& more = "") {
  return fmt::format(R"({{"put":{{"key":"{}","value":"{}"}}{}}})", key, value, more) + "\n";
}

class BulkApi : public ApiTest {
 protected:
  void open(const std::string& target = "/v1/bulk") {
    sending = begin_sending(target);
    settle();
    ASSERT_TRUE(answers[sending.answer].has_value());
    ASSERT_EQ(answers[sending.answer]->status, 200) << answers[sending.answer]->body;
    stream = answers[sending.answer]->stream;
  }
  void send(const std::string& bytes) { sending.body->add(bytes); }
  // All that has been answered so far.
  std::vector<json> lines_so_far() {
    std::string text;
    while (is_ready(stream)) text += next_of(stream).value();
    return parsed(text);
  }
  static std::vector<json> parsed(const std::string& text) {
    std::vector<json> found;
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at);
      EXPECT_NE(end, std::string::npos) << text;
      found.push_back(json::parse(text.substr(at, end - at)));
      at = end + 1;
    }
    return found;
  }
  std::vector<json> run(const std::string& body, const std::string& target = "/v1/bulk") {
    open(target);
    send(body);
    sending.body->end();
    return lines_so_far();
  }
  http::Response get(const std::string& key) { return call("GET", "/v1/kv/" + key); }

  // As a connection does that ends: nothing waits for what will not come.
  ~BulkApi() override {
    if (sending.body) sending.body->fail(http::bad_request("the test is over"), Rest::kDropped);
    settle();
  }

  using Rest = http::RequestBody::Rest;
  Sending sending;
  std::shared_ptr<http::BodyStream> stream;
};

TEST_F(BulkApi, EachLineIsARequestOfItsOwnAndAnsweredInOrder) {
  const auto lines =
      run("{\"put\":{\"key\":\"a\",\"value\":\"1\"}}\n"
          "{\"get\":{\"key\":\"a\"}}\n"
          "{\"put\":{\"key\":\"a\",\"value\":\"2\",\"prev\":true}}\r\n"
          "\n"
          "{\"get\":{\"key\":\"none\"}}\n"
          "{\"put\":{\"key_base64\":\"/w==\",\"value\":\"\"}}\n"
          "{\"delete\":{\"key\":\"a\"}}\n"
          "{\"delete\":{\"prefix\":\"\",\"start\":\"a\"}}\n"
          "{\"get\":{\"key\":\"a\"}}");
  ASSERT_EQ(lines.size(), 8u);
  EXPECT_EQ(lines[0], json::parse(R"({"revision":2,"put":{"created":true}})"));
  EXPECT_EQ(lines[1].at("get").at("value"), "1");
  EXPECT_EQ(lines[1].at("revision"), 2);
  EXPECT_EQ(lines[2].at("put").at("prev").at("value"), "1");
  EXPECT_EQ(lines[3], json::parse(R"({"revision":3,"get":null})"));
  EXPECT_EQ(lines[4].at("revision"), 4);
  EXPECT_EQ(lines[5], json::parse(R"({"revision":5,"delete":{"deleted":1}})"));
  EXPECT_EQ(lines[6], json::parse(R"({"revision":6,"delete":{"deleted":1}})"));
  EXPECT_EQ(lines[7], json::parse(R"({"revision":6,"get":null})"));
}

TEST_F(BulkApi, ABadLineIsAnsweredWithItsErrorAndTheRestGoesOn) {
  const auto lines =
      run("{\"put\":{\"key\":\"a\",\"value\":\"1\"}}\n\n"
          "no json\n"
          "{\"scan\":{}}\n"
          "{\"put\":{\"key\":\"a\"}}\n"
          "{\"put\":{\"key\":\"a\",\"value\":\"1\",\"lease\":\"00000000000000aa\"}}\n"
          "{\"put\":{\"key\":\"a\",\"value\":\"1\"},\"delete\":{\"key\":\"b\"}}\n"
          "{\"get\":{\"key\":\"a\"},\"idempotency_key\":\"x\"}\n"
          "[]\n"
          "{\"put\":{\"key\":\"b\",\"value\":\"1\"}}\n");
  ASSERT_EQ(lines.size(), 9u);
  EXPECT_EQ(lines[1].dump(),
            R"({"error":{"code":"bad_request","detail":"the line: it is no JSON, from byte 2 on",)"
            R"("line":3,"outcome":"not_applied","retryable":false,"status":400}})");
  EXPECT_THAT(lines[2].at("error").at("detail"), HasSubstr("scan"));
  EXPECT_EQ(lines[3].at("error").at("detail"), "put.value: it is missing");
  EXPECT_EQ(lines[4].at("error").at("code"), "lease_not_found");
  EXPECT_EQ(lines[4].at("error").at("line"), 6);
  EXPECT_THAT(lines[5].at("error").at("detail"), HasSubstr("one field"));
  EXPECT_THAT(lines[6].at("error").at("detail"), HasSubstr("idempotency_key"));
  EXPECT_EQ(lines[7].at("error").at("line"), 9);
  EXPECT_EQ(lines[8].at("put").at("created"), true);
}

// The commonest form of a line is read by a way of its own: it must say the same as the other.
TEST_F(BulkApi, APlainLineMeansWhatJsonSays) {
  const auto as_text = [&](const std::string& line) {
    const auto parsed = parse_bulk_line(line, 100);
    if (!parsed) return parsed.error().detail;
    const auto& put = std::get<PutCommand>(parsed->operation);
    return put.key + "=" + put.value;
  };
  const std::string long_value(101, 'v');
  for (const char* const key :
       {R"("k")", R"("")", R"("a\"b")", R"("\u0041\\")", R"("ü€😀")", R"("a/b c")", "\"\xff\"",
        "\"\xc0\x80\"", "\"a\tb\"", "\"\x7f\"", "7", "\"open"}) {
    for (const std::string& value :
         {std::string(R"("v")"), std::string(R"("")"), std::string(R"("{}\n")"),
          std::string("null"), "\"" + long_value + "\"", std::string("\"\x01\"")}) {
      for (const char* space : {"", " ", "\t "}) {
        const std::string inner =
            fmt::format(R"({0}{{{0}"key"{0}:{0}{1},{0}"value":{2}{0})", space, key, value);
        const std::string plain = fmt::format("{{\"put\":{}}}{}}}{}", inner, space, space);
        const std::string other =
            fmt::format("{{\"put\":{},\"prev\":false}}{}}}{}", inner, space, space);
        // Where it is no JSON, the place may differ.
        const auto same = [](const std::string& text) {
          return text.substr(0, text.find(", from byte"));
        };
        EXPECT_EQ(same(as_text(plain)), same(as_text(other))) << plain;
      }
    }
  }
  for (const char* wrong :
       {R"({"put":{"key":"a","value":"b"}} x)", R"({"put":{"key":"a","value":"b"})",
        R"({"put":{"key":"a","value":"b"}}{})", R"({"put":{"key":"a","value":"b"},})"})
    EXPECT_FALSE(parse_bulk_line(wrong, 100)) << wrong;
}

TEST_F(BulkApi, IsTheSameWhereverTheBytesAreSplit) {
  const std::string body = put_line("a", "1") + "{\"get\":{\"key\":\"a\"}}\nbad\n\n" +
                           put_line("b", "2") + put_line("a", "3") + "{\"delete\":{\"key\":\"a\"}}";
  for (size_t at = 0; at <= body.size(); ++at) {
    open();
    const uint64_t before = services.machine->revision().value;
    send(body.substr(0, at));
    std::vector<json> lines = lines_so_far();
    send(body.substr(at));
    sending.body->end();
    for (json& line : lines_so_far()) lines.push_back(std::move(line));
    ASSERT_EQ(lines.size(), 6u) << at;
    EXPECT_EQ(lines[0].at("revision"), before + 1) << at;
    EXPECT_EQ(lines[1].at("get").at("value"), "1") << at;
    EXPECT_EQ(lines[2].at("error").at("line"), 3) << at;
    EXPECT_EQ(lines[5].at("delete").at("deleted"), 1) << at;
  }
}

TEST_F(BulkApi, ChangesDoNotWaitForEachOther) {
  open();
  silent = true;
  for (int i = 0; i < 100; ++i) send(put_line(fmt::format("k{}", i), "v"));
  settle();
  EXPECT_EQ(services.gate->waiting(), 100u);
  EXPECT_FALSE(is_ready(stream));
  services.gate->abandon();
  const auto lines = lines_so_far();
  ASSERT_EQ(lines.size(), 100u);
  EXPECT_EQ(lines[99].at("error").at("code"), "outcome_unknown");
  EXPECT_EQ(lines[99].at("error").at("outcome"), "unknown");
  EXPECT_EQ(lines[99].at("error").at("line"), 100);
  silent = false;
}

// A get waits for the changes before it, and no change behind it is begun before it was read.
TEST_F(BulkApi, AGetSeesTheChangesBeforeItAndNoneBehind) {
  std::string body;
  for (int i = 0; i < 50; ++i) {
    body += put_line("k", std::to_string(i));
    body += "{\"get\":{\"key\":\"k\"}}\n{\"get\":{\"key\":\"k\"}}\n";
  }
  const auto lines = run(body);
  ASSERT_EQ(lines.size(), 150u);
  for (size_t i = 0; i < 50; ++i) {
    EXPECT_EQ(lines[3 * i + 1].at("get").at("value"), std::to_string(i));
    EXPECT_EQ(lines[3 * i + 2].at("get").at("value"), std::to_string(i));
  }
}

TEST_F(BulkApi, AGetIsNotConfirmedBeforeTheChangesBeforeItAreDecided) {
  open();
  silent = true;
  send(put_line("k", "1"));
  settle();
  silent = false;
  barriers = 0;
  send("{\"get\":{\"key\":\"k\"}}\n");
  settle();
  EXPECT_EQ(barriers, 0);
  services.gate->abandon();
  sending.body->end();
  EXPECT_EQ(lines_so_far().size(), 2u);
  EXPECT_EQ(barriers, 1);
}

TEST_F(BulkApi, GetsThatCameTogetherAskForOneConfirmation) {
  call("PUT", "/v1/kv/k", "v");
  barriers = 0;
  std::string body;
  for (int i = 0; i < 200; ++i) body += "{\"get\":{\"key\":\"k\"}}\n";
  EXPECT_EQ(run(body).size(), 200u);
  EXPECT_EQ(barriers, 1);
}

TEST_F(BulkApi, ALineUnderAKeyIsDoneOnce) {
  const std::string line = put_line("a", "1", R"(,"idempotency_key":"k1")");
  EXPECT_FALSE(run(line)[0].contains("replayed"));
  const auto again = run(R"({"idempotency_key": "k1", "put": {"value": "1", "key": "a"}})");
  EXPECT_EQ(again[0].dump(), R"({"put":{"created":true},"replayed":true,"revision":2})");
  const auto other = run(put_line("a", "2", R"(,"idempotency_key":"k1")"));
  EXPECT_EQ(other[0].at("error").at("code"), "idempotency_mismatch");
  EXPECT_EQ(get("a").body, "1");
  for (const std::string& key : {std::string(), std::string("a b"), std::string(129, 'x')}) {
    EXPECT_EQ(
        run(put_line("a", "1", fmt::format(R"(,"idempotency_key":"{}")", key)))[0].at("error").at(
            "code"),
        "bad_request");
  }
  EXPECT_EQ(run(put_line("b", "1", R"(,"idempotency_key":")" + std::string(128, 'x') + "\""))[0]
                .at("put")
                .at("created"),
            true);
}

TEST_F(BulkApi, LinesAndValuesHaveLimits) {
  services.value_bytes_max = 1000;
  const auto value_of = [](size_t bytes) { return std::string(bytes, 'v'); };
  // (1000 + 4096) / 3 * 4 + 16 KiB
  constexpr size_t kLineMax = 23'176;
  const std::string longest = put_line("a", "x");
  const std::string spaces(kLineMax - (longest.size() - 1), ' ');
  const auto lines = run(put_line("a", value_of(1000)) + put_line("a", value_of(1001)) + spaces +
                         longest + spaces + " " + longest + put_line("last", "1"));
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_TRUE(lines[0].contains("put"));
  EXPECT_EQ(lines[1].at("error").at("code"), "value_too_large");
  EXPECT_EQ(lines[1].at("error").at("limit"), 1000);
  EXPECT_TRUE(lines[2].contains("put"));
  EXPECT_EQ(lines[3].at("error").at("code"), "value_too_large");
  EXPECT_EQ(lines[3].at("error").at("limit"), kLineMax);
  EXPECT_EQ(lines[3].at("error").at("line"), 4);
  EXPECT_TRUE(lines[4].contains("put"));
}

TEST_F(BulkApi, ALineWithoutAnEndEndsTheStream) {
  open();
  send(put_line("a", "1"));
  for (int i = 0; i < 600 && !sending.body->is_over(); ++i) {
    send(std::string(128 << 10, 'x'));
    settle();
  }
  const auto lines = lines_so_far();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1].at("error").at("last"), true);
  EXPECT_EQ(lines[1].at("error").at("line"), 2);
  EXPECT_EQ(lines[1].at("error").at("outcome"), "not_applied");
}

// The client takes no answers: lines are held back, and what waits is bounded.
TEST_F(BulkApi, WhoTakesNoAnswersHoldsHisLinesBack) {
  open();
  const std::string line = "bad " + std::string(100, 'x') + "\n";
  std::string many;
  for (int i = 0; i < 1000; ++i) many += line;
  size_t sent = 0;
  for (; sent < 500 && !sending.body->is_full(); ++sent) {
    send(many);
    settle();
  }
  EXPECT_LT(sent, 100u) << "of 100 kB each";
  EXPECT_LT(sending.body->held(), size_t{6} << 20);
  sending.body->end();
  EXPECT_EQ(lines_so_far().size(), sent * 1000);
}

TEST_F(BulkApi, SoDoLinesThatNobodyDecides) {
  open();
  silent = true;
  const std::string line = put_line("k", std::string(100, 'v'));
  std::string many;
  for (int i = 0; i < 1000; ++i) many += line;
  size_t sent = 0;
  for (; sent < 100 && !sending.body->is_full(); ++sent) {
    send(many);
    settle();
  }
  EXPECT_EQ(services.gate->waiting(), 4096u);
  EXPECT_LT(sent, 10u);
  silent = false;
  services.gate->abandon();
  sending.body->end();
  const auto lines = lines_so_far();
  ASSERT_EQ(lines.size(), sent * 1000);
  EXPECT_EQ(lines.back().at("revision"), sent * 1000 - 4096 + 1);
}

// The loop carries heartbeats: many lines that came at once do not keep it from others.
TEST_F(BulkApi, OthersHaveTheirTurnBetweenItsLines) {
  open();
  silent = true;
  std::string many;
  for (int i = 0; i < 4000; ++i) many += put_line("k", "v");
  send(many);
  size_t begun = 0;
  boost::asio::post(loop(), [&] { begun = services.gate->waiting(); });
  settle();
  EXPECT_GT(begun, 0u);
  EXPECT_LE(begun, 256u);
  EXPECT_EQ(services.gate->waiting(), 4000u);
  silent = false;
  services.gate->abandon();
  sending.body->end();
  EXPECT_EQ(lines_so_far().size(), 4000u);
}

TEST_F(BulkApi, AnswersThatMayBeLargeAreFewAtATime) {
  open();
  silent = true;
  for (int i = 0; i < 20; ++i)
    send(
        "{\"put\":{\"key\":\"k\",\"value\":\"v\",\"prev\":true}}\n{\"delete\":{\"key\":\"k\","
        "\"prev\":true}}\n");
  settle();
  EXPECT_EQ(services.gate->waiting(), 4u);
  silent = false;
  services.gate->abandon();
  sending.body->end();
  EXPECT_EQ(lines_so_far().size(), 40u);
}

TEST_F(BulkApi, ValuesAreReadAsTheyAreTaken) {
  call("PUT", "/v1/kv/k", std::string(1 << 20, 'v'));
  int reads = 0;
  engine.on_read = [&] { ++reads; };
  open();
  for (int i = 0; i < 100; ++i) send("{\"get\":{\"key\":\"k\"}}\n");
  settle();
  EXPECT_LE(reads, 5) << "of 1 MiB each";
  sending.body->end();
  EXPECT_EQ(lines_so_far().size(), 100u);
  EXPECT_EQ(reads, 100);
}

// What was begun is answered; the last line says from where on nothing was.
TEST_F(BulkApi, AStopSaysWhatWasNotBegun) {
  open();
  silent = true;
  std::string many;
  for (int i = 0; i < 5000; ++i) many += put_line("k", "v");
  send(many);
  settle();
  sending.body->fail({.code = http::Code::kNotReady, .detail = "this node stops"},
                     RequestBody::Rest::kDropped);
  services.gate->abandon();
  const auto lines = lines_so_far();
  ASSERT_EQ(lines.size(), 4097u);
  EXPECT_EQ(lines[4095].at("error").at("outcome"), "unknown");
  EXPECT_EQ(lines[4096].at("error").at("line"), 4097);
  EXPECT_EQ(lines[4096].at("error").at("code"), "not_ready");
  EXPECT_EQ(lines[4096].at("error").at("outcome"), "not_applied");
  EXPECT_EQ(lines[4096].at("error").at("last"), true);
  silent = false;
  settle();
  EXPECT_EQ(get("k").status, 404) << "nothing is begun behind it";
}

TEST_F(BulkApi, ABodyThatBreaksOffIsAnsweredAsFarAsItCame) {
  open();
  send(put_line("a", "1") + "{\"put\":{\"key\":\"half");
  sending.body->fail(http::bad_request("the body ended before its end"),
                     RequestBody::Rest::kStands);
  const auto lines = lines_so_far();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_TRUE(lines[0].contains("put"));
  EXPECT_EQ(lines[1].at("error").at("line"), 2);
  EXPECT_THAT(lines[1].at("error").at("detail"), HasSubstr("ended before its end"));
}

TEST_F(BulkApi, AClientThatIsGoneLeavesNothingBehind) {
  open();
  silent = true;
  for (int i = 0; i < 100; ++i) send(put_line("k", "v"));
  settle();
  const std::weak_ptr<http::BodyStream> left = stream;
  stream.reset();
  answers[sending.answer].reset();
  sending.body->fail(http::bad_request("the client is gone"), RequestBody::Rest::kDropped);
  services.gate->abandon();
  silent = false;
  settle();
  EXPECT_TRUE(left.expired());
}

// Its gets waited for changes that nobody decided: nobody is asked for a confirmation of a read
// that nobody wants, neither then nor where what was read is forgotten meanwhile.
TEST_F(BulkApi, NothingIsAskedForAClientThatIsGone) {
  open();
  silent = true;
  send(put_line("k", "v") + "{\"get\":{\"key\":\"k\"}}\n");
  settle();
  sending.body->fail(http::bad_request("the client is gone"), RequestBody::Rest::kDropped);
  silent = false;
  services.gate->abandon();
  settle();
  EXPECT_EQ(barriers, 0);

  open();
  engine.on_read = [&, is_first = true]() mutable {
    if (!std::exchange(is_first, false)) return;
    obey({.act = PutCommand{"k", "v", {}}});
    obey({.act = CompactCommand{Revision{2}}});
    sending.body->fail(http::bad_request("the client is gone"), RequestBody::Rest::kDropped);
  };
  send("{\"get\":{\"key\":\"k\"}}\n");
  settle();
  EXPECT_EQ(barriers, 1);
}

TEST_F(BulkApi, GrowthIsRefusedLineByLine) {
  status.raft.refuses_growth = true;
  publish(status);
  const auto lines = run(put_line("a", "1") + "{\"delete\":{\"key\":\"a\"}}\n");
  EXPECT_EQ(lines[0].at("error").at("code"), "no_space");
  EXPECT_EQ(lines[1].at("delete").at("deleted"), 0);
}

TEST_F(BulkApi, WhatItDoesNotTakeIsRefusedAtOnce) {
  const auto status_of = [&](const std::string& target, const Headers& headers = {}) {
    const Sending refused = begin_sending(target, headers);
    settle();
    return answers[refused.answer]->status;
  };
  EXPECT_EQ(status_of("/v1/bulk?prefix=a"), 400);
  EXPECT_EQ(status_of("/v1/bulk?timeout=2h"), 400);
  EXPECT_EQ(status_of("/v1/bulk", {{"Idempotency-Key", "x"}}), 400);
  EXPECT_EQ(run("").size(), 0u);
  EXPECT_EQ(run("\n \n\n").size(), 0u);
}

TEST_F(BulkApi, ARefusalOfTheReplicaIsTheLinesOwn) {
  refuses = raft::RefusalReason::kNoLeader;
  const auto lines =
      run(put_line("a", "1") + "{\"get\":{\"key\":\"a\"}}\n{\"get\":{\"key\":\"a\"}}\n");
  ASSERT_EQ(lines.size(), 3u);
  for (const json& line : lines) {
    EXPECT_EQ(line.at("error").at("code"), "no_leader");
    EXPECT_EQ(line.at("error").at("outcome"), "not_applied");
    EXPECT_EQ(line.at("error").at("retryable"), true);
  }
}

}  // namespace
}  // namespace holdfast
