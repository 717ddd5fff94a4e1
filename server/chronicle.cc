#include "server/chronicle.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "server/api/cluster.h"

namespace holdfast {
namespace {

std::string spoken(const raft::Members& members, NodeId id) {
  const raft::Member* const member = members.find(id);
  // A leader may be unknown to a list of members that is older than it.
  return member != nullptr ? member->name : text_of(id.value);
}

const char* word_of(raft::HandoverCause cause) {
  switch (cause) {
    case raft::HandoverCause::kAsked:
      return "asked";
    case raft::HandoverCause::kSilentDisk:
      return "silent_disk";
    case raft::HandoverCause::kNoRoom:
      return "no_room";
    case raft::HandoverCause::kNoState:
      return "no_state";
    case raft::HandoverCause::kRemoval:
      return "removal";
  }
  return "";
}

const char* reason_of(raft::HandoverCause cause) {
  switch (cause) {
    case raft::HandoverCause::kAsked:
      return "it was asked to";
    case raft::HandoverCause::kSilentDisk:
      return "its disk has stopped answering";
    case raft::HandoverCause::kNoRoom:
      return "its disk is short of room";
    case raft::HandoverCause::kNoState:
      return "it has no state to serve from";
    case raft::HandoverCause::kRemoval:
      return "it is to be removed";
  }
  return "";
}

std::string sentence_of(const raft::RoleChange& change, const std::string& leader) {
  std::string text = fmt::format("{} in term {}", name_of(change.role), change.term.value);
  if (change.role == raft::Role::kFollower)
    text += leader.empty() ? " without a leader" : " of " + leader;
  return text;
}

}  // namespace

void Chronicle::tell_serves(const std::string& address) {
  events_.tell({.kind = EventKind::kProcess,
                .text = "clients at http://" + address,
                .fields = {{"stage", "serves"}, {"version", HOLDFAST_VERSION}}});
}

void Chronicle::tell_installed(LogIndex index) {
  events_.tell({.kind = EventKind::kSnapshot,
                .text = fmt::format("the state of a peer, up to entry {}, is in use", index.value),
                .fields = {{"direction", "in"}, {"stage", "in_use"}, {"index", index.value}}});
}

void Chronicle::note_roles(const std::vector<raft::RoleChange>& changes,
                           const raft::Members& members) {
  for (const raft::RoleChange& change : changes) {
    events_.follow(change.term);
    const bool is_same_role =
        change.role == role_.role && change.term == role_.term && change.leader == role_.leader;
    if (!is_same_role) tell_role(change, members);
    if (change.handover != role_.handover && (is_same_role || change.handover))
      tell_handover(change, members);
    role_ = change;
  }
}

void Chronicle::tell_role(const raft::RoleChange& change, const raft::Members& members) {
  const std::string leader = change.leader ? spoken(members, change.leader) : "";
  Event event{
      .kind = change.role == raft::Role::kCandidate ? EventKind::kElection : EventKind::kRole,
      .text = sentence_of(change, leader),
      .fields = {{"role", std::string(name_of(change.role))}}};
  if (!leader.empty()) event.fields.emplace_back("leader", leader);
  events_.tell(std::move(event));
}

void Chronicle::tell_handover(const raft::RoleChange& change, const raft::Members& members) {
  const raft::HandoverTo& handover = change.handover ? *change.handover : *role_.handover;
  const std::string target = spoken(members, handover.target);
  const bool begins = change.handover.has_value();
  events_.tell(
      {.kind = EventKind::kHandover,
       .level = begins ? LogLevel::kInfo : LogLevel::kWarning,
       .text = begins ? fmt::format("this leader hands over to {}: {}", target,
                                    reason_of(handover.cause))
                      : fmt::format("this leader goes on: {} did not take over in time", target),
       .fields = {{"stage", begins ? "begins" : "given_up"},
                  {"to", target},
                  {"cause", word_of(handover.cause)}}});
}

void Chronicle::tell_member(const raft::Member& member, const char* change, std::string text) {
  events_.tell({.kind = EventKind::kMembership,
                .text = std::move(text),
                .fields = {{"change", change},
                           {"member", member.name},
                           {"id", text_of(member.id.value)},
                           {"voter", member.voter},
                           {"peer", member.peer_address}}});
}

void Chronicle::note_members(const raft::Members& members) {
  if (members_ == members) return;
  const std::optional<raft::Members> before = std::exchange(members_, members);
  if (!before) return;
  for (const raft::Member& member : members.list) {
    const raft::Member* const was = before->find(member.id);
    if (was == nullptr) {
      tell_member(member, "added",
                  fmt::format("{} is a member now, as a {}", member.name,
                              member.voter ? "voter" : "learner"));
    } else if (was->voter != member.voter) {
      tell_member(member, "promoted", fmt::format("{} votes now", member.name));
    } else if (was->peer_address != member.peer_address) {
      tell_member(member, "moved",
                  fmt::format("{} is reached at {} now", member.name, member.peer_address));
    }
  }
  for (const raft::Member& was : before->list)
    if (members.find(was.id) == nullptr)
      tell_member(was, "removed", fmt::format("{} is no member any more", was.name));
}

void Chronicle::note(const NodeStatus& status, Instant now) {
  events_.follow(status.raft.term);
  if (fenced_.changes_to(status.raft.fenced))
    events_.tell({.kind = EventKind::kFence,
                  .level = fenced_.holds ? LogLevel::kError : LogLevel::kInfo,
                  .text = fenced_.holds ? "the disk of this node has stopped answering: it takes "
                                          "no requests, and does not lead, until it answers"
                                        : "the disk of this node answers again",
                  .fields = {{"fenced", fenced_.holds}}});
  note_growth(status.raft);
  note_agreement(status);
  note_contacts(status, now);
}

// Without a leader nobody says anything of it.
void Chronicle::note_growth(const raft::Status& status) {
  if (!status.leader || !growth_refused_.changes_to(status.refuses_growth)) return;
  events_.tell({.kind = EventKind::kGrowth,
                .level = growth_refused_.holds ? LogLevel::kWarning : LogLevel::kInfo,
                .text = growth_refused_.holds
                            ? "growing writes are refused for want of room on the disks of the "
                              "cluster (507 no_space)"
                            : "growing writes are taken again: the disks of the cluster have room",
                .fields = {{"refused", growth_refused_.holds}}});
}

void Chronicle::note_agreement(const NodeStatus& status) {
  const std::set<NodeId> outvoted(status.agreement.outvoted.begin(),
                                  status.agreement.outvoted.end());
  for (const NodeId id : outvoted) {
    if (outvoted_.contains(id)) continue;
    const std::string name = spoken(status.members, id);
    events_.tell(
        {.kind = EventKind::kAgreement,
         .level = LogLevel::kError,
         .text = fmt::format("the state of {} differs from the majority's behind entry "
                             "{}: it is not to be relied on",
                             name, status.check->index.value),
         .fields = {{"agrees", false}, {"member", name}, {"index", status.check->index.value}}});
  }
  for (const NodeId id : outvoted_) {
    if (outvoted.contains(id) || !status.agreement.majority) continue;
    const std::string name = spoken(status.members, id);
    events_.tell(
        {.kind = EventKind::kAgreement,
         .text = fmt::format("the state of {} is the majority's again, or gone", name),
         .fields = {{"agrees", true}, {"member", name}, {"index", status.check->index.value}}});
  }
  if (status.agreement.majority || !outvoted.empty()) outvoted_ = outvoted;
  if (states_split_.changes_to(status.agreement.is_split) && states_split_.holds)
    events_.tell({.kind = EventKind::kAgreement,
                  .level = LogLevel::kError,
                  .text = fmt::format("the states of the voters differ behind entry {}, and none "
                                      "is a majority's: stop writing, and compare them with a "
                                      "backup",
                                      status.check->index.value),
                  .fields = {{"agrees", false}, {"index", status.check->index.value}}});
}

void Chronicle::note_contacts(const NodeStatus& status, Instant now) {
  std::set<NodeId> silent;
  for (const raft::FollowerStatus& follower : status.raft.followers) {
    const bool is_member = status.members.find(follower.id) != nullptr;
    if (is_member && now - follower.last_contact > kHealthyWithin) silent.insert(follower.id);
  }
  const auto tell = [&](NodeId id, bool has_contact) {
    const std::string name = spoken(status.members, id);
    events_.tell({.kind = EventKind::kContact,
                  .level = has_contact ? LogLevel::kInfo : LogLevel::kWarning,
                  .text = fmt::format("{} {}", name,
                                      has_contact ? "answers its leader again"
                                                  : "does not answer its leader any more"),
                  .fields = {{"member", name}, {"contact", has_contact}}});
  };
  for (const NodeId id : silent)
    if (!silent_.contains(id)) tell(id, false);
  // Who leads no more does not know, and who is no member is nobody's concern.
  if (status.raft.role == raft::Role::kLeader)
    for (const NodeId id : silent_)
      if (!silent.contains(id) && status.members.find(id) != nullptr) tell(id, true);
  silent_ = std::move(silent);
}

}  // namespace holdfast
