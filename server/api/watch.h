#pragma once

// GET /v1/watch: the changes of keys as Server-Sent Events (WHATWG HTML, section 9.2), or, upgraded
// to a WebSocket, of many watches on one connection.

#include <optional>
#include <string>

#include "server/api/answers.h"
#include "server/http/task.h"

namespace holdfast {

Task<Outcome> watch_keys(Services& services, http::Request request);

// 503: there are too many watches already.
std::optional<http::Problem> no_room_for_watches(const Services& services);
// What a watch is told that the history floor has overtaken.
std::string overflow_text(const Services& services, Revision upto);

}  // namespace holdfast
