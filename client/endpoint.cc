#include "client/endpoint.h"

#include <charconv>

#include <fmt/format.h>

namespace holdfast {
namespace {

std::unexpected<Error> bad_endpoint(std::string_view text, std::string_view why) {
  return fail(
      ErrorCode::kInvalid,
      fmt::format("'{}' is not an endpoint: {}; write http://HOST:PORT or HOST:PORT", text, why));
}

}  // namespace

std::string Endpoint::authority() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    return bad_endpoint(text, "this version speaks plain HTTP only");
  }
  if (rest.starts_with("http://")) rest.remove_prefix(7);
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find_first_of("/?#@ \t") != std::string_view::npos) {
    return bad_endpoint(text, "only a host and a port are expected");
  }

  std::string_view host = rest;
  std::string_view port;
  bool has_port = false;
  if (rest.starts_with('[')) {
    const size_t close = rest.find(']');
    if (close == std::string_view::npos) return bad_endpoint(text, "']' is missing");
    host = rest.substr(1, close - 1);
    port = rest.substr(close + 1);
    has_port = !port.empty();
    if (has_port && !port.starts_with(':')) return bad_endpoint(text, "':' is expected after ']'");
    if (has_port) port.remove_prefix(1);
  } else if (const size_t colon = rest.find(':'); colon != std::string_view::npos) {
    host = rest.substr(0, colon);
    port = rest.substr(colon + 1);
    has_port = true;
  }
  if (host.empty()) return bad_endpoint(text, "the host is missing");

  Endpoint endpoint{.host = std::string(host)};
  if (has_port) {
    const auto [end, error] =
        std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
    if (error != std::errc() || end != port.data() + port.size() || endpoint.port == 0) {
      return bad_endpoint(text, "the port is not a number from 1 to 65535");
    }
  }
  return endpoint;
}

Result<std::vector<Endpoint>> parse_endpoints(std::string_view text) {
  std::vector<Endpoint> endpoints;
  while (true) {
    const size_t comma = text.find(',');
    HOLDFAST_ASSIGN(Endpoint endpoint, parse_endpoint(text.substr(0, comma)));
    endpoints.push_back(std::move(endpoint));
    if (comma == std::string_view::npos) return endpoints;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace holdfast
