#pragma once

// For those who watch a node: GET /livez (its loop turns), /readyz (it can serve a linearizable
// read) and /metrics (Prometheus). They take no part in what /v1 promises.

#include "server/api/services.h"
#include "server/http/router.h"

namespace holdfast {

Task<http::Response> show_alive(Services& services, http::Request request);
Task<http::Response> show_ready(Services& services, http::Request request);
Task<http::Response> show_metrics(Services& services, http::Request request);

}  // namespace holdfast
