#pragma once

// A document that is built into the program and served as it is, to who does not have it yet. Also
// while the node belongs to no cluster.

#include <string>
#include <string_view>

#include "server/http/request.h"

namespace holdfast {

class Document {
 public:
  // `type`: a literal, as `text`.
  Document(std::string_view text, std::string_view type);

  // 304 where the client has this very text. It takes no parameters.
  http::Response answer(const http::Request& request) const;

 private:
  bool is_known_to(const http::Request& request) const;

  const std::string_view text_;
  const std::string_view type_;
  const std::string tag_;
};

}  // namespace holdfast
