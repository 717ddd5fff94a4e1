// The document of the API, and that the server and it agree. Every answer of every other test here
// is held to it too (api_fixture).

#include "server/api/openapi.h"

#include <set>

#include <nlohmann/json.hpp>

#include "server/api/routes.h"
#include "server/api/scan.h"
#include "server/api/watch_request.h"
#include "server/api/watch_socket.h"
#include "server/faults.h"
#include "server/http/limits.h"
#include "storage/kv/command.h"
#include "tests/api/api_fixture.h"
#include "tests/api/document_fixture.h"
#include "tests/sim/sim_file_system.h"

namespace holdfast {
namespace {

using nlohmann::json;

class OpenApi : public ApiTest {};

TEST_F(OpenApi, IsServedAsItIsAndNotTwice) {
  const http::Response answer = call("GET", "/openapi.json");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.content_type, "application/json");
  EXPECT_EQ(answer.body, openapi_text());
  const std::string tag(answer.header("ETag").value());
  for (const std::string& known : {tag, "W/" + tag, "\"x\" , " + tag, std::string("*")}) {
    const http::Response unchanged = call("GET", "/openapi.json", "", {{"If-None-Match", known}});
    EXPECT_EQ(unchanged.status, 304) << known;
    EXPECT_EQ(unchanged.body, "");
    EXPECT_EQ(unchanged.header("ETag"), tag);
  }
  EXPECT_EQ(call("GET", "/openapi.json", "", {{"If-None-Match", "\"x\""}}).status, 200);
  EXPECT_EQ(call("GET", "/openapi.json?x=1").status, 400);
}

TEST_F(OpenApi, IsServedWhileTheNodeBelongsToNoCluster) {
  services.gate = nullptr;
  EXPECT_EQ(call("GET", "/openapi.json").status, 200);
}

// A parameter ends a route's pattern; what follows it in the document is its handler's.
TEST_F(OpenApi, HasEveryRouteAndNoOther) {
  http::Router router;
  add_routes(router);
  std::set<std::string> served;
  for (const auto& [method, pattern] : router.patterns())
    served.insert(std::string(name_of(method)) + " " + pattern);
  std::set<std::string> documented;
  for (const DocumentedCall& one : documented_calls()) {
    const size_t brace = one.path.find('{');
    const size_t end = brace == std::string::npos ? brace : brace + 1;
    if (one.method != "HEAD") documented.insert(one.method + " " + one.path.substr(0, end));
  }
  EXPECT_EQ(served, documented);
}

TEST_F(OpenApi, HasTheTableOfCodes) {
  const json& problem = api_document().at("components").at("schemas").at("Problem");
  json table = json::object();
  json words = json::array();
  for (uint8_t code = 0;; ++code) {
    const http::CodeRow* row = nullptr;
    try {
      row = &http::row_of(static_cast<http::Code>(code));
    } catch (const std::out_of_range&) {
      break;
    }
    const bool is_unknown = row->outcome == http::Outcome::kUnknown;
    table[row->word] = {{"status", row->status},
                        {"title", row->title},
                        {"outcome", is_unknown ? "unknown" : "not_applied"},
                        {"retryable", row->retryable}};
    words.push_back(row->word);
  }
  EXPECT_EQ(problem.at("x-codes"), table);
  EXPECT_EQ(problem.at("properties").at("code").at("enum"), words);
  // And each is somewhere said to be answered.
  std::set<std::string> answered;
  for (const auto& [name, response] : api_document().at("components").at("responses").items())
    for (const json& code : response.at("content")
                                .at("application/problem+json")
                                .at("schema")
                                .at("allOf")
                                .back()
                                .at("properties")
                                .at("code")
                                .at("enum"))
      answered.insert(code.get<std::string>());
  EXPECT_EQ(json(answered).size(), words.size());
}

TEST_F(OpenApi, HasTheLimits) {
  const http::Limits limits;
  const json expected = {{"key_bytes", kKeyBytesMax},
                         {"value_bytes", limits.body_bytes_max},
                         {"header_bytes", limits.head_bytes_max},
                         {"target_bytes", limits.target_bytes_max},
                         {"range_keys", kRangeKeysMax},
                         {"page_items", kPageItemsMax},
                         {"page_bytes", kPageBytesMax},
                         {"operations", kOperationsMax},
                         {"few_fields_body_bytes", size_t{64} << 10},
                         {"idempotency_key_bytes", kOnceKeyBytesMax},
                         {"events_kept", Events::kKeptMax},
                         {"lock_owner_bytes", kLockOwnerBytesMax},
                         {"lock_places", LockWaiters::kPlacesMax},
                         {"socket_watches", WatchSocket::kWatchesMax},
                         {"socket_watch_id_bytes", WatchMessage::kIdBytesMax},
                         {"socket_message_bytes", limits.message_bytes_max}};
  EXPECT_EQ(api_document().at("x-limits"), expected);
}

TEST_F(OpenApi, HasTheKindsOfEvents) {
  json kinds = json::array();
  for (size_t kind = 0; kind < kEventKinds; ++kind)
    kinds.push_back(name_of(static_cast<EventKind>(kind)));
  const json& event = api_document().at("components").at("schemas").at("Event");
  EXPECT_EQ(event.at("properties").at("kind").at("enum"), kinds);
}

// As far as a parameter's name. A range is deleted only where there is a bound.
std::string target_for(const DocumentedCall& one, const std::string& name) {
  std::string target = one.path;
  if (const size_t begin = target.find('{'); begin != std::string::npos)
    target.replace(begin, target.find('}') + 1 - begin,
                   one.path.starts_with("/v1/leases/") ? "00000000000000aa" : "n1");
  target += "?";
  if (one.method == "DELETE" && one.path == "/v1/kv")
    target += name == "start" ? "prefix=z&" : "start=z&";
  return target;
}

// What is looked at before the query: how long a lock is waited for bounds the request.
std::string body_for(const DocumentedCall& one) {
  if (!one.operation->contains("requestBody")) return "";
  return one.path.starts_with("/v1/locks/") ? R"({"ttl":"10s"})" : "{}";
}

// They say by name that they take no past.
bool refuses_the_past(const DocumentedCall& one, const std::string& name) {
  return (name == "revision" || name == "at") && one.takes("query", "consistency");
}

// Every name that any call takes, and one that none does, is given to every call.
TEST_F(OpenApi, NamesTheParametersThatEachCallTakesAndNoOthers) {
  boost::asio::io_context drill_loop;
  SimFileSystem files(1);
  Faults faults(drill_loop, clock, files);
  services.faults = &faults;
  std::set<std::string> names = {"nobody-takes-this"};
  for (const DocumentedCall& one : documented_calls())
    for (const json* parameter : one.parameters)
      if (parameter->at("in") == "query") names.insert(parameter->at("name"));
  for (const DocumentedCall& one : documented_calls()) {
    if (one.path == "/v1/snapshot") continue;  // there is nothing here to make one of
    for (const std::string& name : names) {
      const std::string target = target_for(one, name) + name + "=%00";
      const http::Response answer = call(one.method, target, body_for(one));
      const bool is_unknown =
          answer.status == 400 &&
          json_of(answer).at("detail").get<std::string>().starts_with("unknown query parameter");
      const bool is_taken = one.takes("query", name);
      if (!is_taken && refuses_the_past(one, name)) {
        EXPECT_EQ(answer.status, 400) << one.method << " " << target;
      } else {
        EXPECT_EQ(is_unknown, !is_taken)
            << one.method << " " << target << ": " << answer.status << " " << answer.body;
      }
    }
  }
}

}  // namespace
}  // namespace holdfast
