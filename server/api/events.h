#pragma once

// GET /v1/events: what happens to this node, and what it sees of its cluster, as Server-Sent
// Events.

#include "server/api/answers.h"
#include "server/http/task.h"

namespace holdfast {

Task<Outcome> follow_events(Services& services, http::Request request);

}  // namespace holdfast
