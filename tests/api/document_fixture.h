#pragma once

// What the document of the API (server/api/openapi.json) says, for tests that hold answers to it.

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "server/http/request.h"

namespace holdfast {

const nlohmann::json& api_document();

// What a "$ref" stands for; anything else as it is.
const nlohmann::json* resolved(const nlohmann::json* part);

struct DocumentedCall {
  std::string method;  // GET
  std::string path;    // /v1/kv/{key}
  const nlohmann::json* operation;
  std::vector<const nlohmann::json*> parameters;  // resolved, of the path and the operation

  bool takes(std::string_view where, std::string_view name) const;
};
std::vector<DocumentedCall> documented_calls();

// Nothing is said where no call of the document is meant; else what it does not allow; empty: fine.
std::string objection_to(http::Method method, const std::string& target,
                         const http::Response& response);

}  // namespace holdfast
