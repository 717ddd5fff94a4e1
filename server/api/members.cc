#include "server/api/members.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "replication/transport/tcp_transport.h"
#include "server/api/changes.h"
#include "server/api/cluster.h"
#include "server/api/json_body.h"
#include "server/api/parameters.h"
#include "server/member_name.h"
#include "storage/kv/command.h"

namespace holdfast {
namespace {

using Json = nlohmann::ordered_json;
using Act = raft::MemberChange::Act;
using http::Code;
using http::Problem;

constexpr size_t kUrlBytesMax = 256;
constexpr std::string_view kPromote = "/promote";

// What is the same for every change of members.
std::expected<Instant, Problem> terms_of(const Services& services, const http::Request& request) {
  HOLDFAST_TRY(refuse_once(request));
  return deadline_of(request, services.clock->now());
}

NodeId id_from(std::string_view text) {
  uint64_t id = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), id, 16);
  const bool is_id = text.size() == 16 && code == std::errc() && end == text.data() + text.size();
  return is_id ? NodeId{id} : NodeId{};
}

// It goes out as a header of every node's answers, so it holds nothing that could end the line.
bool is_client_url(std::string_view text) {
  return (text.starts_with("http://") || text.starts_with("https://")) &&
         text.size() <= kUrlBytesMax &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

struct Addition {
  raft::MemberChange change;
  std::string client_url;
  Instant deadline;
};

std::expected<Addition, Problem> addition_of(const Services& services,
                                             const http::Request& request) {
  Addition addition{.change = {.act = Act::kAdd, .member = {}}, .client_url = {}, .deadline = {}};
  HOLDFAST_ASSIGN(addition.deadline, terms_of(services, request));
  HOLDFAST_ASSIGN(const nlohmann::json body, parse_few_fields(request.body));
  HOLDFAST_ASSIGN(JsonFields fields, JsonFields::of(body, ""));
  std::string id;
  raft::Member& member = addition.change.member;
  for (const auto& [name, text] : {std::pair{"name", &member.name},
                                   {"id", &id},
                                   {"peer", &member.peer_address},
                                   {"client_url", &addition.client_url}}) {
    HOLDFAST_ASSIGN(const std::optional<std::string> value, fields.take_text(name));
    *text = value.value_or("");
  }
  HOLDFAST_ASSIGN(member.stays_learner, fields.take_flag("learner"));
  HOLDFAST_TRY(fields.finish());
  member.id = id_from(id);
  member.voter = false;
  if (!is_member_name(member.name))
    return std::unexpected(http::bad_request(fmt::format("name: {}", kMemberNameRule)));
  if (!member.id)
    return std::unexpected(http::bad_request("id: not 16 hexadecimal digits, or none but zeros"));
  if (const Result<> peer = check_peer_address(member.peer_address); !peer)
    return std::unexpected(http::bad_request("peer: " + peer.error().message));
  if (!is_client_url(addition.client_url))
    return std::unexpected(http::bad_request("client_url: not a URL as http://HOST:PORT"));
  return addition;
}

Answered describe_members(const NodeStatus& status, int http_status) {
  const std::string warning = warning_of(status.members);
  Json body = {{"cluster_id", text_of(status.cluster.value)},
               {"members", Json::array()},
               {"warning", warning.empty() ? Json() : Json(warning)}};
  for (const raft::Member& member : status.members.list)
    body["members"].push_back({{"name", member.name},
                               {"id", text_of(member.id.value)},
                               {"peer", member.peer_address},
                               {"voter", member.voter}});
  return {http::Response(http_status, "application/json", body.dump() + "\n"), status.revision};
}

// A change that makes no sense now never will; one that does was refused for what the leader has
// to do first, or for who is not healthy.
Problem problem_of_members(const raft::Refusal& refusal, const raft::MemberChange& change,
                           const raft::Members& known) {
  Problem problem = problem_of_change(refusal);
  if (refusal.reason == raft::RefusalReason::kRejected)
    problem.retryable = known.with(change).has_value();
  return problem;
}

Task<Outcome> change_members(Services& services, raft::MemberChange change, Instant deadline,
                             int http_status) {
  Gate::Waiting waiting = services.gate->change_members(change, deadline);
  const Gate::Outcome outcome = co_await waiting;
  const std::shared_ptr<const NodeStatus> status = services.status->read();
  if (!outcome)
    co_return std::unexpected(problem_of_members(outcome.error(), change, status->members));
  co_return describe_members(*status, http_status);
}

// A name says who is meant only as of now: this node may not have heard yet that the name went to
// another node. So it first hears of everything that was done before.
Task<Outcome> change_named(Services& services, std::string name, Act act, Instant deadline) {
  Gate::Waiting barrier = services.gate->read_barrier(deadline);
  const Gate::Outcome heard = co_await barrier;
  if (!heard) co_return std::unexpected(problem_of_hearing(heard.error()));
  const std::shared_ptr<const NodeStatus> status = services.status->read();
  const auto member = std::ranges::find(status->members.list, name, &raft::Member::name);
  if (member == status->members.list.end())
    co_return std::unexpected(Problem{.code = Code::kMemberNotFound,
                                      .detail = fmt::format("no member has the name '{}'", name)});
  Task<Outcome> changing = change_members(services, {act, *member}, deadline, 200);
  co_return co_await changing;
}

}  // namespace

std::string warning_of(const raft::Members& members) {
  const size_t voters = members.voters().size();
  if (voters == 0 || voters % 2 == 1) return {};
  const size_t losses = voters / 2 - 1;
  return fmt::format("{} voters survive the loss of {}, as {} {}: add a voter, or remove one",
                     voters, losses == 0 ? "none" : fmt::to_string(losses), voters - 1,
                     voters == 2 ? "does" : "do");
}

Task<Outcome> add_member(Services& services, http::Request request) {
  auto addition = addition_of(services, request);
  if (!addition) co_return std::unexpected(std::move(addition).error());
  const NodeId id = addition->change.member.id;
  const bool is_new = services.status->read()->members.find(id) == nullptr;
  Task<Outcome> changing =
      change_members(services, addition->change, addition->deadline, is_new ? 201 : 200);
  Outcome outcome = co_await changing;
  if (!outcome) co_return outcome;
  // So that clients are told where it is while it still catches up. Should this fail, the node says
  // it again itself.
  Gate::Waiting announcing = services.gate->propose(
      encode_command({AnnounceCommand{id, addition->client_url}}), addition->deadline);
  co_await announcing;
  co_return outcome;
}

Task<Outcome> remove_member(Services& services, http::Request request) {
  auto deadline = terms_of(services, request);
  if (!deadline) co_return std::unexpected(std::move(deadline).error());
  if (auto empty = refuse_body(request); !empty)
    co_return std::unexpected(std::move(empty).error());
  Task<Outcome> changing =
      change_named(services, std::move(request.parameter), Act::kRemove, *deadline);
  co_return co_await changing;
}

Task<Outcome> promote_member(Services& services, http::Request request) {
  auto deadline = terms_of(services, request);
  if (!deadline) co_return std::unexpected(std::move(deadline).error());
  if (!request.parameter.ends_with(kPromote))
    co_return std::unexpected(
        Problem{.code = Code::kNotFound,
                .detail = "what is done to a member is /v1/cluster/members/NAME/promote"});
  if (auto empty = refuse_body(request); !empty)
    co_return std::unexpected(std::move(empty).error());
  request.parameter.resize(request.parameter.size() - kPromote.size());
  Task<Outcome> changing =
      change_named(services, std::move(request.parameter), Act::kPromote, *deadline);
  co_return co_await changing;
}

}  // namespace holdfast
