#include "server/join.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "client/http_connection.h"
#include "storage/base/check.h"
#include "storage/base/log.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;

constexpr Duration kJoinPatience = std::chrono::seconds(5);  // with one node
constexpr Duration kLookPatience = std::chrono::milliseconds(500);
constexpr Duration kPauseFirst = std::chrono::milliseconds(100);
constexpr Duration kPauseMax = std::chrono::seconds(2);

std::string hex(NodeId id) {
  return fmt::format("{:016x}", id.value);
}

uint64_t id_from(const Json& json) {
  return std::stoull(json.get<std::string>(), nullptr, 16);
}

HttpConnection connect(const std::string& url, const Clock& clock) {
  Result<Endpoint> endpoint = parse_endpoint(url);
  CHECK(endpoint.has_value(), "{}", endpoint.error().message);
  return {*std::move(endpoint), clock};
}

HttpRequest post_of(const JoinRequest& request) {
  const Json body = {{"name", request.name},
                     {"id", hex(request.node)},
                     {"peer", request.peer_address},
                     {"client_url", request.client_url},
                     {"learner", request.stays_learner}};
  return {.method = "POST",
          .target = "/v1/cluster/members?timeout=4s",
          .headers = {{"Content-Type", "application/json"}},
          .body = body.dump()};
}

// Before its log holds any members the node is a learner, whatever it may have become since.
Result<Entered> entered_from(const std::string& body, NodeId self) {
  try {
    const Json json = Json::parse(body);
    Entered entered{.cluster = ClusterId{id_from(json.at("cluster_id"))}, .members = {}};
    for (const Json& member : json.at("members")) {
      const NodeId id{id_from(member.at("id"))};
      entered.members.list.push_back({id, member.at("name").get<std::string>(),
                                      member.at("peer").get<std::string>(),
                                      id != self && member.at("voter").get<bool>()});
    }
    std::ranges::sort(entered.members.list, {}, &raft::Member::id);
    if (entered.cluster && entered.members.find(self) != nullptr) return entered;
    return fail(ErrorCode::kInvalid, "its answer does not have this node among the members");
  } catch (const std::exception& problem) {
    return fail(ErrorCode::kInvalid,
                fmt::format("its answer is not what the API promises ({})", problem.what()));
  }
}

struct Refused {
  std::string detail;
  bool may_pass;  // the same request can succeed later
};

Refused refused_from(unsigned status, const std::string& body) {
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  Refused refused{.detail = fmt::format("HTTP status {}", status), .may_pass = status >= 500};
  if (!json.is_object()) return refused;
  if (const auto found = json.find("detail"); found != json.end() && found->is_string())
    refused.detail = found->get<std::string>();
  if (const auto found = json.find("retryable"); found != json.end() && found->is_boolean())
    refused.may_pass = refused.may_pass || found->get<bool>();
  return refused;
}

HttpRequest get_of(std::string target) {
  return {.method = "GET", .target = std::move(target), .headers = {}, .body = {}};
}

// What a node says of its cluster, if that is `own`: an address may be another node's by now.
Result<std::string> look_at(HttpConnection& connection, const Clock& clock, ClusterId own) {
  const auto view = connection.exchange(get_of("/v1/cluster"), clock.now() + kJoinPatience);
  if (!view) return fail(ErrorCode::kUnavailable, view.error().message);
  if (view->status != 200)
    return fail(ErrorCode::kUnavailable, refused_from(view->status, view->body).detail);
  try {
    const ClusterId there{id_from(Json::parse(view->body).at("cluster_id"))};
    if (there == own) return view->body;
    return fail(
        ErrorCode::kInvalid,
        fmt::format("it is of cluster {:016x} now, this node of {:016x}", there.value, own.value));
  } catch (const std::exception& problem) {
    return fail(ErrorCode::kInvalid,
                fmt::format("its answer is not what the API promises ({})", problem.what()));
  }
}

// What the cluster calls this member. Nothing: it has none of this id.
Result<std::optional<std::string>> name_of(NodeId id, const std::string& body) {
  try {
    const Json json = Json::parse(body);
    for (const Json& member : json.at("members"))
      if (id_from(member.at("id")) == id.value) return member.at("name").get<std::string>();
    return std::nullopt;
  } catch (const std::exception& problem) {
    return fail(ErrorCode::kInvalid,
                fmt::format("its answer is not what the API promises ({})", problem.what()));
  }
}

}  // namespace

Result<std::vector<std::string>> parse_join_urls(std::string_view text) {
  HOLDFAST_ASSIGN(const std::vector<Endpoint> endpoints, parse_endpoints(text));
  std::vector<std::string> urls;
  for (const Endpoint& endpoint : endpoints) urls.push_back(endpoint.url());
  return urls;
}

struct Joiner::Reply {
  bool done = false;
  std::string why_not;  // and where
  bool may_pass = true;
};

Joiner::Reply Joiner::reply_of(const std::string& url, unsigned status, const std::string& body) {
  const Refused refused = refused_from(status, body);
  return {.done = false,
          .why_not = fmt::format("{}: {}", url, refused.detail),
          .may_pass = refused.may_pass};
}

struct Joiner::Progress {
  bool has_asked = false;
};

// For people.
struct Joiner::Wish {
  std::string_view asks_to;
  std::string_view refused;
};

Joiner::Joiner(std::vector<std::string> urls, const Clock& clock, Random random, Wait wait)
    : urls_(std::move(urls)),
      clock_(clock),
      random_(random),
      wait_(std::move(wait)),
      complaints_(urls_.size()) {}

Result<std::optional<Entered>> Joiner::ask(const JoinRequest& request) {
  std::optional<Entered> entered;
  HOLDFAST_TRY(
      ask_until_done({.asks_to = "take this node into the cluster",
                      .refused = "the cluster does not take this node in"},
                     [&](const std::string& url) { return ask_once(url, request, entered); }));
  return entered;
}

Result<Removal> Joiner::remove(const Departure& departure) {
  Progress progress;
  HOLDFAST_ASSIGN(const bool done,
                  ask_until_done({.asks_to = "let go of this node's old id",
                                  .refused = "the cluster does not let go of this node's old id"},
                                 [&](const std::string& url) {
                                   return remove_once(url, departure, progress);
                                 }));
  if (!done) return Removal::kStopped;
  return progress.has_asked ? Removal::kDone : Removal::kWasNoMember;
}

Result<bool> Joiner::ask_until_done(const Wish& wish, const Attempt& attempt) {
  log_info("asking {} to {}", fmt::join(urls_, ", "), wish.asks_to);
  Duration pause = kPauseFirst;
  for (;;) {
    for (size_t i = 0; i < urls_.size(); ++i) {
      Reply reply = attempt(urls_[i]);
      if (reply.done) return true;
      if (!reply.may_pass)
        return fail(ErrorCode::kInvalid,
                    fmt::format("{2}: {1}. (holdfast --endpoint {0} members shows who belongs to "
                                "it, holdfast --endpoint {0} members remove NAME removes a member "
                                "for good)",
                                urls_[i], reply.why_not, wish.refused));
      if (std::exchange(complaints_[i], reply.why_not) != reply.why_not)
        log_warning("{} yet, trying again: {}", wish.refused, reply.why_not);
      if (!wait_(Duration::zero())) return false;
    }
    if (!wait_(random_.between(pause / 2, pause))) return false;
    pause = std::min(pause * 2, kPauseMax);
  }
}

Joiner::Reply Joiner::ask_once(const std::string& url, const JoinRequest& request,
                               std::optional<Entered>& entered) const {
  HttpConnection connection = connect(url, clock_);
  if (request.cluster) {
    const Result<std::string> view = look_at(connection, clock_, request.cluster);
    if (!view) return {.why_not = fmt::format("{}: {}", url, view.error().message)};
  }
  const auto answer = connection.exchange(post_of(request), clock_.now() + kJoinPatience);
  if (!answer) return {.why_not = answer.error().message};
  if (answer->status != 200 && answer->status != 201)
    return reply_of(url, answer->status, answer->body);
  Result<Entered> taken_in = entered_from(answer->body, request.node);
  if (!taken_in) return {.why_not = fmt::format("{}: {}", url, taken_in.error().message)};
  entered = *std::move(taken_in);
  return {.done = true, .why_not = {}};
}

// By its id: the name may be another node's by now. Behind a linearizable read, whatever it reads:
// a node that is behind may not know yet who has joined. And that read behind a look at whose it
// is: what another cluster's node, or no node at all, refuses says nothing of this one.
Joiner::Reply Joiner::remove_once(const std::string& url, const Departure& departure,
                                  Progress& progress) const {
  HttpConnection connection = connect(url, clock_);
  const Result<std::string> own = look_at(connection, clock_, departure.cluster);
  if (!own) return {.why_not = fmt::format("{}: {}", url, own.error().message)};
  const auto barrier = connection.exchange(get_of("/v1/kv?limit=1&keys_only=true&timeout=4s"),
                                           clock_.now() + kJoinPatience);
  if (!barrier) return {.why_not = barrier.error().message};
  if (barrier->status != 200)
    return {.why_not =
                fmt::format("{}: {}", url, refused_from(barrier->status, barrier->body).detail)};
  const Result<std::string> view = look_at(connection, clock_, departure.cluster);
  if (!view) return {.why_not = fmt::format("{}: {}", url, view.error().message)};
  const Result<std::optional<std::string>> name = name_of(departure.old_id, *view);
  if (!name) return {.why_not = fmt::format("{}: {}", url, name.error().message)};
  if (!*name) return {.done = true, .why_not = {}};
  if (!std::exchange(progress.has_asked, true))
    if (const Result<> noted = departure.about_to_ask(); !noted)
      return {.why_not = noted.error().message, .may_pass = false};
  const auto answer =
      connection.exchange({.method = "DELETE",
                           .target = "/v1/cluster/members/" + **name + "?timeout=4s",
                           .headers = {},
                           .body = {}},
                          clock_.now() + kJoinPatience);
  if (!answer) return {.why_not = answer.error().message};
  if (answer->status == 200) return {.done = true, .why_not = {}};
  // Gone meanwhile, or under another name: the next look tells.
  if (answer->status == 404) return {.why_not = fmt::format("{}: {} is gone", url, **name)};
  return reply_of(url, answer->status, answer->body);
}

std::optional<ClusterId> cluster_at(const std::vector<std::string>& urls, const Clock& clock) {
  for (const std::string& url : urls) {
    HttpConnection connection = connect(url, clock);
    const auto answer =
        connection.exchange({.method = "GET", .target = "/v1/cluster", .headers = {}, .body = {}},
                            clock.now() + kLookPatience);
    if (!answer || answer->status != 200) continue;
    const Json json = Json::parse(answer->body, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("cluster_id")) continue;
    try {
      return ClusterId{id_from(json.at("cluster_id"))};
    } catch (const std::exception&) {
      continue;  // not an answer of the API: as if none had come
    }
  }
  return std::nullopt;
}

}  // namespace holdfast
