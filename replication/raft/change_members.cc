// Who belongs to the group changes one member at a time (dissertation, chapter 4). A change is a
// request like any other on its way to the leader; the leader makes the whole list of it, and the
// list counts from the moment when it is in the log.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "replication/raft/quorum.h"
#include "replication/raft/raft.h"
#include "storage/base/check.h"

namespace holdfast::raft {
namespace {

// More than anybody asks for at once.
constexpr size_t kAskedChangesMax = 100;

// How many election timeouts a removed member that says nothing is told of its removal.
constexpr int kFarewells = 4;

}  // namespace

void Raft::ask_change(AskedChange change) {
  LeaderRole& leader = std::get<LeaderRole>(role_);
  if (leader.asked_changes.size() == kAskedChangesMax)
    return reject_change(change, "too many changes of members wait already");
  leader.asked_changes.push_back(std::move(change));
}

// None before an entry of the own term is committed (the flaw that Ongaro found in 2015: two lists
// of different terms may have majorities that do not meet), and none before the last one is. And
// none before it is known who answers: all voters have, or have had the time for it.
bool Raft::may_change_members() const {
  const LeaderRole& leader = std::get<LeaderRole>(role_);
  const bool all_heard = std::ranges::all_of(leader.followers, [this](const auto& item) {
    return item.second.heard || !members().votes(item.first);
  });
  return commit_ >= leader.first_of_term && commit_ >= membership_.index() && !leader.handover &&
         (all_heard || now_ - leader.since >= config_.election_timeout);
}

// Two voters, each to be removed through the other, would hand over to each other for as long as
// the requests wait. So a new leader first does what else it is asked for.
bool Raft::may_work(const AskedChange& asked) const {
  const Result<MemberChange> change = decode_change(asked.payload.view());
  const bool removes_self =
      change && change->act == MemberChange::Act::kRemove && change->member.id == config_.self;
  return !removes_self || now_ - std::get<LeaderRole>(role_).since >= config_.election_timeout;
}

void Raft::work_asked_changes() {
  LeaderRole& leader = std::get<LeaderRole>(role_);
  while (!leader.asked_changes.empty() && may_change_members()) {
    const auto next_asked = std::ranges::find_if(
        leader.asked_changes, [this](const AskedChange& asked) { return may_work(asked); });
    if (next_asked == leader.asked_changes.end()) return;
    std::rotate(leader.asked_changes.begin(), next_asked, next_asked + 1);
    const AskedChange& asked = leader.asked_changes.front();
    const Result<MemberChange> change = decode_change(asked.payload.view());
    const Result<Members> next =
        change ? judge_change(*change) : Result<Members>(std::unexpected(change.error()));
    if (!next) {
      reject_change(asked, next.error().message);
    } else if (!next->votes(config_.self)) {
      // A leader does not remove itself: its successor does.
      start_handover(leader, {}, HandoverCause::kRemoval);
      if (leader.handover) {
        leader.handover->before_removal = true;
        return;
      }
      reject_change(asked,
                    "the leader cannot be removed: no other voter is in contact with it and "
                    "could lead");
    } else {
      append_members(*next, {asked.from, asked.request});
    }
    leader.asked_changes.pop_front();
  }
}

Result<Members> Raft::judge_change(const MemberChange& change) const {
  const LeaderRole& leader = std::get<LeaderRole>(role_);
  HOLDFAST_ASSIGN(Members next, members().with(change));
  if (change.act == MemberChange::Act::kPromote && !members().votes(change.member.id)) {
    const Follower& learner = leader.followers.at(change.member.id);
    if (!is_in_contact(learner) || !learner.catch_up.done)
      return fail(
          ErrorCode::kInvalid,
          fmt::format("{} cannot vote yet: it is {} entries behind, and would hold up every "
                      "change until it has caught up",
                      members().find(change.member.id)->name,
                      log_.last().index.value - learner.match.value));
  }
  if (next.voters() == members().voters()) return next;
  size_t healthy = 0;
  std::string silent;
  for (const NodeId voter : next.voters()) {
    const auto found = leader.followers.find(voter);
    const bool is_healthy =
        voter == config_.self || (is_in_contact(found->second) && !found->second.quarantined);
    if (is_healthy) {
      ++healthy;
    } else {
      silent += fmt::format("{}{}", silent.empty() ? "" : ", ", next.find(voter)->name);
    }
  }
  const size_t needed = majority(next.voters().size());
  if (healthy < needed)
    return fail(
        ErrorCode::kInvalid,
        fmt::format("afterwards {} of {} voters would be needed, and only {} can be counted on "
                    "(silent or not whole: {}): bring these back or remove them first",
                    needed, next.voters().size(), healthy, silent));
  return next;
}

void Raft::append_members(const Members& members, Origin origin) {
  const LogIndex index = append_as_leader(EntryKind::kMembers, origin, encode_members(members));
  LeaderRole& leader = std::get<LeaderRole>(role_);
  membership_.append(*log_.entries(index, index, 1)->front());
  const auto follower = leader.followers.find(origin.node);
  if (follower != leader.followers.end()) follower->second.awaits_commit = index;
  follow_members();
}

// The leader's table holds all members but itself, and for a while those that it should tell that
// they are none any more.
void Raft::follow_members() {
  LeaderRole& leader = std::get<LeaderRole>(role_);
  for (const Member& member : members().list) {
    if (member.id == config_.self || leader.followers.contains(member.id)) continue;
    leader.followers[member.id] = Follower{.match = {},
                                           .next = log_.last().index + 1,
                                           .progress = Probing{now_},
                                           .catch_up = {log_.last().index, now_},
                                           .removed_by = {},
                                           .last_contact = now_,
                                           .told_commit = {},
                                           .awaits_commit = {}};
  }
  for (auto& [id, follower] : leader.followers)
    follower.removed_by = members().find(id) == nullptr ? membership_.index() : LogIndex{};
}

void Raft::forget_the_removed() {
  LeaderRole& leader = std::get<LeaderRole>(role_);
  for (auto item = leader.followers.begin(); item != leader.followers.end();) {
    Follower& follower = item->second;
    const bool told = follower.told_commit >= follower.removed_by;
    const bool silent = now_ - follower.last_contact > kFarewells * config_.election_timeout;
    if (!follower.removed_by || !(told || silent)) {
      ++item;
      continue;
    }
    end_snapshot(item->first, follower);
    leader.remote_reads.erase(item->first);
    item = leader.followers.erase(item);
  }
}

void Raft::reject_change(const AskedChange& change, std::string why) {
  if (change.from != config_.self) {
    send(change.from,
         ForwardRefused{
             ForwardRefusal::kRejected, hard_state_.term, {change.request}, std::move(why)});
    return;
  }
  const auto found = pending_.find(change.request);
  if (found == pending_.end()) return;  // its deadline has passed
  output_.refused.push_back({change.request, RefusalReason::kRejected, std::move(why)});
  pending_bytes_ -= found->second.bytes();
  pending_.erase(found);
}

// This node leads no more, and these were not appended: they go to the next leader.
void Raft::give_back_asked_changes(const std::deque<AskedChange>& changes, Term led_in) {
  for (const AskedChange& change : changes) {
    if (change.from != config_.self) {
      refuse_forward(change.from, led_in, ForwardRefusal::kNotLeader, {change.request});
      continue;
    }
    const auto found = pending_.find(change.request);
    if (found == pending_.end()) continue;
    found->second.term = {};
    found->second.since = now_;
    unsent_.insert(change.request);
  }
  count_given_before();
}

void Raft::note_progress(Follower& follower) {
  CatchUp& round = follower.catch_up;
  if (follower.match < round.target) {
    if (now_ - round.began > config_.election_timeout) round.done = false;
    return;
  }
  round = {log_.last().index, now_, now_ - round.began <= config_.election_timeout};
}

void Raft::promote_who_caught_up() {
  LeaderRole& leader = std::get<LeaderRole>(role_);
  if (!may_change_members() || !leader.asked_changes.empty()) return;
  for (const Member& member : members().list) {
    if (member.voter || member.stays_learner) continue;
    Result<Members> next = judge_change({MemberChange::Act::kPromote, member});
    if (next) return append_members(*next, {});
  }
}

void Raft::note_own_removal() {
  removed_ = removed_ || membership_.at(commit_).was_removed(config_.self);
}

}  // namespace holdfast::raft
