#include "server/announcer.h"

#include <utility>

#include "server/gate.h"
#include "storage/kv/command.h"

namespace holdfast {
namespace {

constexpr Duration kEvery = std::chrono::seconds(2);
constexpr Duration kAnnouncePatience = std::chrono::seconds(1);

}  // namespace

Announcer::Announcer(NodeId self, Addresses own, Random random)
    : self_(self), own_(std::move(own)), random_(random), last_(Instant::min()) {}

std::vector<raft::Proposal> Announcer::due(Instant now, const NodeStatus& status) {
  // A list without this node is older than its joining, or newer than its removal.
  const raft::Member* listed = status.members.find(self_);
  if (listed == nullptr || !status.raft.leader) return {};
  const auto url = status.client_urls.find(self_);
  const bool url_differs = url == status.client_urls.end() || url->second != own_.client_url;
  const bool peer_differs = listed->peer_address != own_.peer;
  if ((!url_differs && !peer_differs) || (last_ != Instant::min() && now - last_ < kEvery))
    return {};
  last_ = now;
  std::vector<raft::Proposal> proposals;
  if (url_differs)
    proposals.push_back(proposal(now, encode_command({AnnounceCommand{self_, own_.client_url}}),
                                 EntryKind::kCommand));
  if (peer_differs) {
    raft::Member moved = *listed;
    moved.peer_address = own_.peer;
    proposals.push_back(
        proposal(now, raft::encode_change({raft::MemberChange::Act::kReaddress, std::move(moved)}),
                 EntryKind::kMembers));
  }
  return proposals;
}

raft::Proposal Announcer::proposal(Instant now, Bytes payload, EntryKind kind) {
  return {Gate::nobodys(random_), now + kAnnouncePatience, std::move(payload), kind};
}

}  // namespace holdfast
