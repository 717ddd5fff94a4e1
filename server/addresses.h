#pragma once

// Where a node is reached, as its configuration has it.

#include <string>

#include "server/config.h"

namespace holdfast {

// HOST:PORT, as this node tells its peers: what it was told to say, else how --initial-cluster
// lists `name`, else where it listens.
std::string peer_address_of(const Config& config, const std::string& name);
std::string client_url_of(const Config& config);
bool is_loopback(const std::string& address);

}  // namespace holdfast
