#pragma once

// Where a node is reached, as its configuration has it.

#include <map>
#include <string>

#include "replication/raft/membership.h"
#include "server/config.h"

namespace holdfast {

// HOST:PORT, as this node tells its peers: what it was told to say, else how --initial-cluster
// lists `name`, else where it listens.
std::string peer_address_of(const Config& config, const std::string& name);
std::string client_url_of(const Config& config);
bool is_loopback(const std::string& address);
// Where this node reaches members that say another address of themselves: by that address.
std::map<std::string, std::string> detours(const Config& config, const raft::Members& first);

}  // namespace holdfast
