#include "replication/raft/membership.h"

#include <algorithm>

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

Bytes encode_members(const Members& members) {
  proto::Members encoded;
  for (const Member& member : members.list) {
    proto::Member* out = encoded.add_members();
    out->set_id(member.id.value);
    out->set_name(member.name);
    out->set_peer_address(member.peer_address);
    out->set_voter(member.voter);
  }
  return Bytes(encoded.SerializeAsString());
}

Result<Members> decode_members(std::string_view bytes) {
  proto::Members encoded;
  if (!encoded.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return fail(ErrorCode::kCorrupt, "the list of members cannot be read");
  Members members;
  for (const proto::Member& in : encoded.members())
    members.list.push_back({NodeId{in.id()}, in.name(), in.peer_address(), in.voter()});
  if (!std::ranges::is_sorted(members.list, {}, &Member::id))
    return fail(ErrorCode::kCorrupt, "the list of members is not in order");
  return members;
}

Membership::Membership(LogIndex index, Members first) {
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

void Membership::applied(LogIndex upto) {
  while (history_.size() > 1 && history_[1].first <= upto) history_.erase(history_.begin());
}

}  // namespace holdfast::raft
