#include "server/addresses.h"

#include <algorithm>

namespace holdfast {

std::string peer_address_of(const Config& config, const std::string& name) {
  if (!config.advertise_peer.empty()) return config.advertise_peer;
  const auto own = std::ranges::find(config.initial_cluster, name, &InitialMember::name);
  return own == config.initial_cluster.end() ? config.peer_listen : own->peer_address;
}

std::string client_url_of(const Config& config) {
  return config.advertise_client.empty() ? "http://" + config.listen : config.advertise_client;
}

bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address.starts_with("localhost:") ||
         address.starts_with("[::1]:");
}

// An operator who lists an address on this node knows better than the peer how it is reached from
// here: a proxy may stand between. That holds for the address that the cluster formed with; a
// member that has moved since, or that took a dead one's name, is where it says.
std::map<std::string, std::string> detours(const Config& config, const raft::Members& first) {
  std::map<std::string, std::string> detours;
  for (const raft::Member& member : first.list) {
    const auto listed =
        std::ranges::find(config.initial_cluster, member.name, &InitialMember::name);
    if (listed != config.initial_cluster.end() && listed->peer_address != member.peer_address)
      detours.emplace(member.peer_address, listed->peer_address);
  }
  return detours;
}

}  // namespace holdfast
