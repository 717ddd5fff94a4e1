#include "server/bootstrap.h"

#include <algorithm>
#include <set>
#include <utility>

#include "replication/transport/tcp_transport.h"
#include "server/member_name.h"
#include "storage/base/check.h"
#include "storage/base/codec.h"

namespace holdfast {

Result<std::vector<InitialMember>> parse_initial_cluster(std::string_view text) {
  std::vector<InitialMember> members;
  std::set<std::string> seen;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view item = text.substr(0, comma);
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos || equals == 0)
      return fail(ErrorCode::kInvalid,
                  fmt::format("--initial-cluster: '{}' is not NAME=HOST:PORT", item));
    const InitialMember member{std::string(item.substr(0, equals)),
                               std::string(item.substr(equals + 1))};
    if (!is_member_name(member.name))
      return fail(ErrorCode::kInvalid,
                  fmt::format("--initial-cluster: '{}': {}", member.name, kMemberNameRule));
    HOLDFAST_TRY(parse_host_port(member.peer_address));
    if (!seen.insert(member.name).second || !seen.insert(member.peer_address).second)
      return fail(ErrorCode::kInvalid,
                  fmt::format("--initial-cluster: '{}' repeats a name or an address", item));
    members.push_back(member);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return members;
}

Result<Bootstrap> Bootstrap::begin(std::vector<InitialMember> members, const Hello& self) {
  Bootstrap bootstrap;
  bootstrap.members_ = std::move(members);
  const auto own = std::ranges::find(bootstrap.members_, self.name, &InitialMember::name);
  if (own == bootstrap.members_.end())
    return fail(
        ErrorCode::kInvalid,
        fmt::format("--initial-cluster does not list this node, {}: check --name", self.name));
  bootstrap.heard_[self.name] = self;
  return bootstrap;
}

Result<> Bootstrap::hear(const InitialMember& member, const Hello& hello) {
  if (hello.name != member.name)
    return fail(ErrorCode::kInvalid,
                fmt::format("--initial-cluster lists {} at {}, but the node there is {}",
                            member.name, member.peer_address, hello.name));
  if (hello.protocol != kPeerProtocol)
    return fail(ErrorCode::kInvalid,
                fmt::format("{} speaks peer protocol {}, this node {}: form the cluster with one "
                            "version",
                            hello.name, hello.protocol, kPeerProtocol));
  heard_[hello.name] = hello;
  return {};
}

std::vector<InitialMember> Bootstrap::silent() const {
  std::vector<InitialMember> silent;
  for (const InitialMember& member : members_)
    if (!heard_.contains(member.name)) silent.push_back(member);
  return silent;
}

Result<Entered> Bootstrap::form() const {
  CHECK(silent().empty());
  Entered formed;
  for (const InitialMember& member : members_) {
    const Hello& hello = heard_.at(member.name);
    if (formed.members.find(hello.node) != nullptr)
      return fail(
          ErrorCode::kInvalid,
          fmt::format("two members of --initial-cluster are the same node: {}", member.name));
    // The address that the member gives itself: the same on every node, also where a proxy makes
    // each of them see another.
    formed.members.list.push_back({hello.node, member.name, hello.peer_address, true});
  }
  std::ranges::sort(formed.members.list, {}, &raft::Member::id);
  formed.cluster = ClusterId{encode_members(formed.members).checksum()};
  for (const auto& [name, hello] : heard_) {
    if (hello.cluster && hello.cluster != formed.cluster)
      return fail(ErrorCode::kInvalid,
                  fmt::format("{} is already a member of cluster {:016x}, which does not know this "
                              "node. A node that is new, or that lost its data, joins a cluster "
                              "that exists with --join",
                              name, hello.cluster.value));
  }
  return formed;
}

}  // namespace holdfast
