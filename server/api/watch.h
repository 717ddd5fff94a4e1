#pragma once

// GET /v1/watch: the changes of keys as Server-Sent Events (WHATWG HTML, section 9.2).

#include "server/api/answers.h"
#include "server/http/task.h"

namespace holdfast {

Task<Outcome> watch_keys(Services& services, http::Request request);

}  // namespace holdfast
