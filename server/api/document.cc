#include "server/api/document.h"

#include <algorithm>

#include <fmt/format.h>

#include "server/api/parameters.h"
#include "storage/base/bytes.h"

namespace holdfast {

Document::Document(std::string_view text, std::string_view type)
    : text_(text), type_(type), tag_(fmt::format("\"{:016x}\"", checksum(text))) {}

http::Response Document::answer(const http::Request& request) const {
  if (auto fine = refuse_parameters(request); !fine) return http::answer(fine.error());
  http::Response response(304);
  if (!is_known_to(request)) response = http::Response(200, type_, std::string(text_));
  response.add_header("ETag", tag_);
  response.add_header("Cache-Control", "no-cache");
  return response;
}

// By weak comparison, as RFC 9110, section 13.1.2, has it.
bool Document::is_known_to(const http::Request& request) const {
  for (std::string_view list : request.headers("If-None-Match")) {
    while (!list.empty()) {
      std::string_view tag = list.substr(0, list.find(','));
      list.remove_prefix(std::min(list.size(), tag.size() + 1));
      tag.remove_prefix(std::min(tag.find_first_not_of(" \t"), tag.size()));
      tag = tag.substr(0, tag.find_last_not_of(" \t") + 1);
      if (tag.starts_with("W/")) tag.remove_prefix(2);
      if (tag == "*" || tag == tag_) return true;
    }
  }
  return false;
}

}  // namespace holdfast
