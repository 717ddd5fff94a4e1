#pragma once

// Locks: POST, PUT, GET and DELETE /v1/locks/{name}.

#include "server/api/answers.h"

namespace holdfast {

Task<Outcome> acquire_lock(Services& services, http::Request request);
Task<Outcome> keep_lock_alive(Services& services, http::Request request);
Task<Outcome> show_lock(Services& services, http::Request request);
Task<Outcome> release_lock(Services& services, http::Request request);

}  // namespace holdfast
