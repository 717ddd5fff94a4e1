#include "server/api/cluster.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/api/changes.h"
#include "server/api/json_body.h"
#include "server/api/members.h"
#include "server/api/parameters.h"
#include "server/api/past.h"
#include "server/faults.h"

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

// Null: not known, as long as no majority has one hash at the newest check.
Json agrees(const NodeStatus& status, NodeId id) {
  const auto& reports = status.check->reports;
  const auto own = reports.find(id);
  if (own == reports.end() || !status.agreement.majority) return {};
  return own->second == *status.agreement.majority;
}

bool are_set(const Faults* faults) {
  return faults != nullptr && faults->now().any();
}

// What is unwise about the members, what is wrong with their states, and with this node on purpose.
std::string warnings(const NodeStatus& status, const Faults* faults) {
  std::string text = warning_of(status.members);
  const auto add = [&text](const std::string& more) { text += (text.empty() ? "" : "; ") + more; };
  for (const NodeId id : status.agreement.outvoted) {
    const raft::Member* member = status.members.find(id);
    add(fmt::format(
        "the state of {} differs from the majority's behind entry {}: it is not to be "
        "relied on",
        member != nullptr ? member->name : text_of(id.value), status.check->index.value));
  }
  if (status.raft.refuses_growth)
    add("disks are short of room: growing writes are refused until there is more (507 no_space)");
  if (status.agreement.is_split)
    add(
        fmt::format("the states of the voters differ behind entry {}, and none is a majority's: "
                    "stop writing, and compare them with a backup",
                    status.check->index.value));
  if (are_set(faults)) add(faults->warning());
  return text;
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
               {"peer", member.peer_address},
               {"state_agrees", agrees(status, member.id)}};
  const auto url = status.client_urls.find(member.id);
  json["client_url"] = url == status.client_urls.end() ? Json() : Json(url->second);
  const uint64_t last = status.raft.last.index.value;
  const raft::FollowerStatus* known = follower(status, member.id);
  if (member.id == status.self) {
    json["healthy"] = true;
    json["match_index"] = status.raft.persisted.value;
    json["lag_entries"] = last - std::min(last, status.raft.persisted.value);
    json["last_contact_ms"] = 0;
    json["short_of_room"] = status.raft.short_of_room;
  } else if (known != nullptr) {
    const Duration silence = std::max(now - known->last_contact, Duration::zero());
    json["healthy"] = silence <= kHealthyWithin;
    json["match_index"] = known->match.value;
    json["lag_entries"] = last - std::min(last, known->match.value);
    json["last_contact_ms"] = silence / std::chrono::milliseconds(1);
    json["short_of_room"] = known->short_of_room;
  } else {
    for (const char* unknown :
         {"healthy", "match_index", "lag_entries", "last_contact_ms", "short_of_room"}) {
      json[unknown] = nullptr;
    }
  }
  return json;
}

Json fence_of(const raft::Status& raft) {
  if (raft.fenced) return "the disk has stopped answering";
  if (raft.quarantined)
    return "its log was damaged and lost entries: it does not vote until its leader has filled it "
           "again";
  if (raft.awaits_state)
    return "its state was damaged and is gone: it serves nothing until a peer has sent it its own";
  return nullptr;
}

Json describe_node(const NodeStatus& status, const Faults* faults) {
  const raft::Member* self = status.members.find(status.self);
  const bool is_checked = static_cast<bool>(status.check->index);
  return {{"name", status.name},
          {"id", text_of(status.self.value)},
          {"role", self != nullptr ? role_of(status, *self) : name_of(status.raft.role)},
          {"term", status.raft.term.value},
          {"commit_index", status.raft.commit.value},
          {"applied_index", status.raft.applied.value},
          {"durable_index", status.durable.value},
          {"revision", status.revision.value},
          {"state_hash", is_checked ? Json(text_of(status.check->hash)) : Json()},
          {"state_hash_index", is_checked ? Json(status.check->index.value) : Json()},
          {"disk_free_bytes", status.disk_free_bytes},
          {"short_of_room", status.raft.short_of_room},
          {"fenced", fence_of(status.raft)},
          {"faults", are_set(faults)}};
}

struct LeaderChange {
  std::string to;  // empty: anybody else
  Instant deadline;
};

std::expected<LeaderChange, http::Problem> leader_change_of(const http::Request& request,
                                                            Instant now) {
  HOLDFAST_TRY(refuse_once(request));
  LeaderChange change;
  HOLDFAST_ASSIGN(change.deadline, deadline_of(request, now));
  if (request.body.empty()) return change;
  HOLDFAST_ASSIGN(const nlohmann::json body, parse_few_fields(request.body));
  HOLDFAST_ASSIGN(JsonFields fields, JsonFields::of(body, ""));
  HOLDFAST_ASSIGN(const std::optional<std::string> to, fields.take_text("to"));
  HOLDFAST_TRY(fields.finish());
  change.to = to.value_or("");
  return change;
}

// Whom it shall go to; none: anybody else.
std::expected<NodeId, http::Problem> target_of(const LeaderChange& change,
                                               const NodeStatus& status) {
  if (change.to.empty()) {
    if (status.members.voters().size() > 1) return NodeId{};
    return std::unexpected(
        http::Problem{.code = http::Code::kConflict,
                      .detail = "there is no other voting member that could lead"});
  }
  const auto member = std::ranges::find(status.members.list, change.to, &raft::Member::name);
  if (member == status.members.list.end())
    return std::unexpected(
        http::Problem{.code = http::Code::kMemberNotFound,
                      .detail = fmt::format("no member has the name '{}'", change.to)});
  if (!member->voter)
    return std::unexpected(http::Problem{
        .code = http::Code::kConflict,
        .detail = fmt::format("{} is a learner: it has no vote and cannot lead", change.to)});
  return member->id;
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

Task<Outcome> change_leader(Services& services, http::Request request) {
  auto change = leader_change_of(request, services.clock->now());
  if (!change) co_return std::unexpected(std::move(change).error());
  // Between two leaders this waits for the next; and this node may not have heard yet whom the name
  // means now.
  Gate::Waiting hearing = services.gate->read_barrier(change->deadline);
  const Gate::Outcome heard = co_await hearing;
  if (!heard) co_return std::unexpected(problem_of_hearing(heard.error()));
  const std::shared_ptr<const NodeStatus> before = services.status->read();
  auto target = target_of(*change, *before);
  if (!target) co_return std::unexpected(std::move(target).error());
  if (!before->raft.leader)
    co_return std::unexpected(problem_of_read(raft::RefusalReason::kNoLeader));
  const auto is_done = [&](const NodeStatus& status) {
    const NodeId leader = status.raft.leader;
    return leader && (*target ? leader == *target : leader != before->raft.leader);
  };
  if (!is_done(*before)) services.gate->transfer_leader(*target);
  for (;;) {
    // Served by whoever leads: so the answer comes when the new leader serves, not sooner.
    Gate::Waiting waiting = services.gate->read_barrier(change->deadline);
    const Gate::Outcome outcome = co_await waiting;
    const std::shared_ptr<const NodeStatus> status = services.status->read();
    if (outcome && is_done(*status)) {
      const raft::Member* leader = status->members.find(status->raft.leader);
      const Json body = {{"leader", leader ? or_null(leader->name) : Json()},
                         {"term", status->raft.term.value}};
      co_return Answered{http::Response(200, "application/json", body.dump() + "\n"),
                         status->revision};
    }
    if (services.clock->now() >= change->deadline || !outcome)
      co_return std::unexpected(http::Problem{
          .code = http::Code::kOutcomeUnknown,
          .detail = "no other member leads yet: the one asked for may be unreachable or far "
                    "behind; GET /v1/cluster shows who leads"});
  }
}

Task<Outcome> show_cluster(Services& services, http::Request request) {
  if (auto fine = refuse_parameters(request); !fine)
    co_return std::unexpected(std::move(fine).error());
  const std::shared_ptr<const NodeStatus> status = services.status->read();
  const Instant now = services.clock->now();
  const raft::Member* leader = status->members.find(status->raft.leader);
  Json body = {{"cluster_id", text_of(status->cluster.value)},
               {"leader", leader ? or_null(leader->name) : Json()},
               {"term", status->raft.term.value},
               {"quorum", has_quorum(*status, now)},
               {"refuses_growth", status->raft.refuses_growth},
               {"node", describe_node(*status, services.faults)},
               {"members", Json::array()},
               {"warning", or_null(warnings(*status, services.faults))},
               {"settings", Json::parse(settings_text(status->settings))},
               {"compact_revision", status->history_floor.value}};
  for (const raft::Member& member : status->members.list) {
    body["members"].push_back(describe(*status, member, now));
  }
  const auto lenient = Json::error_handler_t::replace;
  co_return Answered{
      http::Response(200, "application/json", body.dump(-1, ' ', false, lenient) + "\n"),
      status->revision};
}

}  // namespace holdfast
