#pragma once

// POST /v1/bulk: many puts, deletes and gets, a line each, on one request.

#include "server/api/answers.h"

namespace holdfast {

Task<Outcome> run_bulk(Services& services, http::Request request);

}  // namespace holdfast
