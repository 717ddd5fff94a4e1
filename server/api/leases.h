#pragma once

// Leases: POST and GET /v1/leases, and PUT, GET and DELETE /v1/leases/{id}.

#include "server/api/answers.h"
#include "storage/kv/bond.h"

namespace holdfast {

Task<Outcome> grant_lease(Services& services, http::Request request);
Task<Outcome> keep_lease_alive(Services& services, http::Request request);
Task<Outcome> show_lease(Services& services, http::Request request);
Task<Outcome> show_leases(Services& services, http::Request request);
Task<Outcome> revoke_lease(Services& services, http::Request request);

}  // namespace holdfast
