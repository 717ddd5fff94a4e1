#pragma once

// GET /v1/snapshot: a consistent backup as one stream (storage/backup). At any node; one at a time
// at each.

#include "server/api/answers.h"

namespace holdfast {

Task<Outcome> send_snapshot(Services& services, http::Request request);

}  // namespace holdfast
