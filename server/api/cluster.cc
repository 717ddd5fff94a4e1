#include "server/api/cluster.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/api/parameters.h"

namespace holdfast {
namespace {

using Json = nlohmann::ordered_json;

Json or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

const raft::FollowerStatus* follower(const NodeStatus& status, NodeId id) {
  const auto& list = status.raft.followers;
  const auto found = std::ranges::find(list, id, &raft::FollowerStatus::id);
  return found == list.end() ? nullptr : &*found;
}

std::string role_of(const NodeStatus& status, const raft::Member& member) {
  if (member.id == status.raft.leader) return "leader";
  if (!member.voter) return "learner";
  return member.id == status.self ? name_of(status.raft.role) : "follower";
}

Json describe(const NodeStatus& status, const raft::Member& member, Instant now) {
  Json json = {{"name", member.name},
               {"id", text_of(member.id.value)},
               {"role", role_of(status, member)},
               {"voter", member.voter},
               {"peer", member.peer_address}};
  const auto url = status.client_urls.find(member.id);
  json["client_url"] = url == status.client_urls.end() ? Json() : Json(url->second);
  const uint64_t last = status.raft.last.index.value;
  const raft::FollowerStatus* known = follower(status, member.id);
  if (member.id == status.self) {
    json["healthy"] = true;
    json["match_index"] = status.raft.persisted.value;
    json["lag_entries"] = last - std::min(last, status.raft.persisted.value);
    json["last_contact_ms"] = 0;
  } else if (known != nullptr) {
    const Duration silence = std::max(now - known->last_contact, Duration::zero());
    json["healthy"] = silence <= kHealthyWithin;
    json["match_index"] = known->match.value;
    json["lag_entries"] = last - std::min(last, known->match.value);
    json["last_contact_ms"] = silence / std::chrono::milliseconds(1);
  } else {
    for (const char* unknown : {"healthy", "match_index", "lag_entries", "last_contact_ms"}) {
      json[unknown] = nullptr;
    }
  }
  return json;
}

Json describe_node(const NodeStatus& status) {
  const raft::Member* self = status.members.find(status.self);
  return {{"name", status.name},
          {"id", text_of(status.self.value)},
          {"role", self != nullptr ? role_of(status, *self) : name_of(status.raft.role)},
          {"term", status.raft.term.value},
          {"commit_index", status.raft.commit.value},
          {"applied_index", status.raft.applied.value},
          {"durable_index", status.durable.value},
          {"revision", status.revision.value},
          {"state_hash", text_of(status.state_hash)},
          {"state_hash_index", status.state_hash_index.value},
          {"fenced", nullptr}};
}

}  // namespace

const char* name_of(raft::Role role) {
  switch (role) {
    case raft::Role::kFollower:
      return "follower";
    case raft::Role::kCandidate:
      return "candidate";
    case raft::Role::kLeader:
      return "leader";
  }
  return "";
}

std::string text_of(uint64_t id) {
  return fmt::format("{:016x}", id);
}

bool has_quorum(const NodeStatus& status, Instant now) {
  if (status.raft.role != raft::Role::kLeader) return static_cast<bool>(status.raft.leader);
  const std::vector<NodeId> voters = status.members.voters();
  const auto heard = std::ranges::count_if(voters, [&](NodeId voter) {
    const raft::FollowerStatus* known = follower(status, voter);
    return voter == status.self || (known && now - known->last_contact <= kHealthyWithin);
  });
  return static_cast<size_t>(heard) * 2 > voters.size();
}

Task<Outcome> show_cluster(Services& services, http::Request request) {
  auto query = parse_query(request);
  if (!query) co_return std::unexpected(std::move(query).error());
  auto rest = finish_query(*query);
  if (!rest) co_return std::unexpected(std::move(rest).error());
  const std::shared_ptr<const NodeStatus> status = services.status->read();
  const Instant now = services.clock->now();
  const raft::Member* leader = status->members.find(status->raft.leader);
  Json body = {{"cluster_id", text_of(status->cluster.value)},
               {"leader", leader ? or_null(leader->name) : Json()},
               {"term", status->raft.term.value},
               {"quorum", has_quorum(*status, now)},
               {"node", describe_node(*status)},
               {"members", Json::array()}};
  for (const raft::Member& member : status->members.list) {
    body["members"].push_back(describe(*status, member, now));
  }
  const auto lenient = Json::error_handler_t::replace;
  co_return Answered{
      http::Response(200, "application/json", body.dump(-1, ' ', false, lenient) + "\n"),
      status->revision};
}

}  // namespace holdfast
