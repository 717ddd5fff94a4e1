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

}  // namespace holdfast
