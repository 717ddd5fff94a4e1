#pragma once

// One key: PUT, GET, HEAD and DELETE /v1/kv/{key}.

#include "server/api/answers.h"

namespace holdfast {

Task<Outcome> put_key(Services& services, http::Request request);
Task<Outcome> get_key(Services& services, http::Request request);
Task<Outcome> delete_key(Services& services, http::Request request);

}  // namespace holdfast
