#pragma once

// GET /openapi.json: the contract of this API as a document (OpenAPI 3.1). It is written by hand,
// beside the handlers, and built in as it is.

#include <string_view>

#include "server/http/request.h"
#include "server/http/task.h"

namespace holdfast {

struct Services;

std::string_view openapi_text();

// Also while the node belongs to no cluster yet.
Task<http::Response> show_openapi(Services& services, http::Request request);

}  // namespace holdfast
