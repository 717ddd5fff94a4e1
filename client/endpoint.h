#pragma once

// Where a node's HTTP API is found.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/result.h"

namespace holdfast {

struct Endpoint {
  std::string host;  // a name or an address; an IPv6 address without its brackets
  uint16_t port = 4653;

  std::string authority() const;  // "host:port", as in a Host header
  std::string url() const { return "http://" + authority(); }
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// "http://HOST:PORT", "HOST:PORT" or "HOST" (port 4653). kInvalid names what is wrong.
Result<Endpoint> parse_endpoint(std::string_view text);

// The same, separated by commas; at least one.
Result<std::vector<Endpoint>> parse_endpoints(std::string_view text);

}  // namespace holdfast
