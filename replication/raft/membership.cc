#include "replication/raft/membership.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include <fmt/format.h>

#include "replication/raft/members.pb.h"
#include "storage/base/check.h"

namespace holdfast::raft {

const Member* Members::find(NodeId id) const {
  const auto found = std::ranges::find(list, id, &Member::id);
  return found == list.end() ? nullptr : &*found;
}

bool Members::votes(NodeId id) const {
  const Member* member = find(id);
  return member != nullptr && member->voter;
}

std::vector<NodeId> Members::voters() const {
  std::vector<NodeId> ids;
  for (const Member& member : list)
    if (member.voter) ids.push_back(member.id);
  return ids;
}

bool Members::was_removed(NodeId id) const {
  return std::ranges::binary_search(removed, id);
}

Result<Members> Members::with(const MemberChange& change) const {
  Members next = *this;
  const Member& asked = change.member;
  const auto place = std::ranges::lower_bound(next.list, asked.id, {}, &Member::id);
  const bool is_member = place != next.list.end() && place->id == asked.id;
  if (change.act == MemberChange::Act::kAdd) {
    if (!asked.id || asked.name.empty() || asked.peer_address.empty())
      return fail(ErrorCode::kInvalid, "a member needs an id, a name and a peer address");
    if (was_removed(asked.id))
      return fail(ErrorCode::kInvalid,
                  fmt::format("the node with the id {:016x} was removed from this cluster, and ids "
                              "are never used again: empty its data folder and let it join anew",
                              asked.id.value));
    for (const Member& member : list) {
      if (member.id == asked.id) continue;
      if (member.name == asked.name)
        return fail(ErrorCode::kInvalid,
                    fmt::format("there is a member {} already, with another id. If that node has "
                                "lost its data, remove the member first",
                                member.name));
      if (member.peer_address == asked.peer_address)
        return fail(ErrorCode::kInvalid, fmt::format("the member {} is at {} already", member.name,
                                                     member.peer_address));
    }
    if (is_member) {
      place->name = asked.name;
      place->peer_address = asked.peer_address;
      return next;
    }
    if (list.size() == kMembersMax)
      return fail(ErrorCode::kInvalid,
                  fmt::format("a cluster has at most {} members", kMembersMax));
    Member learner = asked;
    learner.voter = false;
    next.list.insert(place, std::move(learner));
    return next;
  }
  if (change.act == MemberChange::Act::kRemove && was_removed(asked.id)) return next;
  if (!is_member)
    return fail(ErrorCode::kInvalid, fmt::format("no member has the id {:016x}", asked.id.value));
  switch (change.act) {
    case MemberChange::Act::kAdd:
      break;
    case MemberChange::Act::kRemove:
      if (voters() == std::vector{asked.id})
        return fail(
            ErrorCode::kInvalid,
            fmt::format("{} is the only voter: without it there is no cluster", place->name));
      next.list.erase(place);
      next.removed.insert(std::ranges::lower_bound(next.removed, asked.id), asked.id);
      break;
    case MemberChange::Act::kPromote:
      place->voter = true;
      place->stays_learner = false;
      break;
    case MemberChange::Act::kReaddress:
      place->peer_address = asked.peer_address;
      break;
  }
  return next;
}

namespace {

void encode_into(const Member& member, proto::Member& out) {
  out.set_id(member.id.value);
  out.set_name(member.name);
  out.set_peer_address(member.peer_address);
  out.set_voter(member.voter);
  out.set_stays_learner(member.stays_learner);
}

Member decode_from(const proto::Member& in) {
  return {NodeId{in.id()}, in.name(), in.peer_address(), in.voter(), in.stays_learner()};
}

constexpr std::pair<MemberChange::Act, proto::MemberChange::Act> kActs[] = {
    {MemberChange::Act::kAdd, proto::MemberChange::ADD},
    {MemberChange::Act::kRemove, proto::MemberChange::REMOVE},
    {MemberChange::Act::kPromote, proto::MemberChange::PROMOTE},
    {MemberChange::Act::kReaddress, proto::MemberChange::READDRESS},
};

}  // namespace

Bytes encode_members(const Members& members) {
  proto::Members encoded;
  for (const Member& member : members.list) encode_into(member, *encoded.add_members());
  for (const NodeId id : members.removed) encoded.add_removed(id.value);
  return Bytes(encoded.SerializeAsString());
}

Result<Members> decode_members(std::string_view bytes) {
  proto::Members encoded;
  if (!encoded.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return fail(ErrorCode::kCorrupt, "the list of members cannot be read");
  Members members;
  for (const proto::Member& in : encoded.members()) members.list.push_back(decode_from(in));
  for (const uint64_t id : encoded.removed()) members.removed.push_back(NodeId{id});
  if (!std::ranges::is_sorted(members.list, {}, &Member::id) ||
      !std::ranges::is_sorted(members.removed))
    return fail(ErrorCode::kCorrupt, "the list of members is not in order");
  return members;
}

Bytes encode_change(const MemberChange& change) {
  proto::MemberChange encoded;
  encoded.set_act(std::ranges::find(kActs, change.act,
                                    &std::pair<MemberChange::Act, proto::MemberChange::Act>::first)
                      ->second);
  encode_into(change.member, *encoded.mutable_member());
  return Bytes(encoded.SerializeAsString());
}

Result<MemberChange> decode_change(std::string_view bytes) {
  proto::MemberChange encoded;
  if (!encoded.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return fail(ErrorCode::kInvalid, "the change of members cannot be read");
  for (const auto& [act, encoded_act] : kActs)
    if (encoded.act() == encoded_act) return MemberChange{act, decode_from(encoded.member())};
  return fail(ErrorCode::kInvalid, "a change of members that this version does not know");
}

Membership::Membership(LogIndex index, Members first, bool is_guess) {
  if (is_guess) guessed_at_ = index;
  history_.emplace_back(index, std::move(first));
}

void Membership::append(const LogEntry& entry) {
  CHECK(entry.kind == EntryKind::kMembers);
  CHECK(entry.index > history_.back().first, "members at {}", entry.index.value);
  Result<Members> members = decode_members(entry.payload.view());
  CHECK(members.has_value(), "members at {}: unreadable", entry.index.value);
  history_.emplace_back(entry.index, *std::move(members));
}

void Membership::cut_from(LogIndex first) {
  while (history_.size() > 1 && history_.back().first >= first) history_.pop_back();
}

const Members& Membership::at(LogIndex index) const {
  const auto after =
      std::ranges::upper_bound(history_, index, {}, [](const auto& item) { return item.first; });
  return after == history_.begin() ? after->second : std::prev(after)->second;
}

bool Membership::may_vote(NodeId id, LogIndex commit) const {
  for (const auto& [first, members] : std::views::reverse(history_)) {
    if (members.votes(id)) return true;
    if (first <= commit) break;
  }
  return false;
}

void Membership::installed(LogIndex index, Members members) {
  guessed_at_.reset();
  std::erase_if(history_, [index](const auto& item) { return item.first <= index; });
  history_.emplace(history_.begin(), index, std::move(members));
}

void Membership::applied(LogIndex upto) {
  while (history_.size() > 1 && history_[1].first <= upto) history_.erase(history_.begin());
}

}  // namespace holdfast::raft
