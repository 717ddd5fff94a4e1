#include "server/api/openapi.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "server/api/parameters.h"
#include "storage/base/bytes.h"

namespace holdfast {
namespace {

const std::string& entity_tag() {
  static const std::string tag = fmt::format("\"{:016x}\"", checksum(openapi_text()));
  return tag;
}

// By weak comparison, as RFC 9110, section 13.1.2, has it.
bool is_known_to(const http::Request& request) {
  for (std::string_view list : request.headers("If-None-Match")) {
    while (!list.empty()) {
      std::string_view tag = list.substr(0, list.find(','));
      list.remove_prefix(std::min(list.size(), tag.size() + 1));
      tag.remove_prefix(std::min(tag.find_first_not_of(" \t"), tag.size()));
      tag = tag.substr(0, tag.find_last_not_of(" \t") + 1);
      if (tag.starts_with("W/")) tag.remove_prefix(2);
      if (tag == "*" || tag == entity_tag()) return true;
    }
  }
  return false;
}

}  // namespace

Task<http::Response> show_openapi(Services&, http::Request request) {
  if (auto fine = refuse_parameters(request); !fine) co_return http::answer(fine.error());
  http::Response response(304);
  if (!is_known_to(request))
    response = http::Response(200, "application/json", std::string(openapi_text()));
  response.add_header("ETag", entity_tag());
  response.add_header("Cache-Control", "no-cache");
  co_return response;
}

}  // namespace holdfast
