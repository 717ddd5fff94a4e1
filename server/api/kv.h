#pragma once

// One key: PUT, GET, HEAD and DELETE /v1/kv/{key}.

#include "server/api/answers.h"

namespace holdfast {

Task<Outcome> put_key(Services& services, http::Request request);
Task<Outcome> get_key(Services& services, http::Request request);
Task<Outcome> delete_key(Services& services, http::Request request);

// What no changing call may ignore, and none takes yet.
std::expected<void, http::Problem> refuse_unkept_promises(const http::Request& request);
// For the calls that take no body.
std::expected<void, http::Problem> refuse_body(const http::Request& request);

// Milliseconds since 1970, which a change carries into the log for people to read.

}  // namespace holdfast
