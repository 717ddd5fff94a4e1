#pragma once

// POST /v1/txn: several operations at once, or none, decided by compares.

#include "server/api/answers.h"

namespace holdfast {

Task<Outcome> run_transaction(Services& services, http::Request request);

}  // namespace holdfast
