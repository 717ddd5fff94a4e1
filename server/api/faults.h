#pragma once

// /v1/faults: what this node does wrong on purpose, for drills. Its own alone: nothing of it is in
// the log. Not there but under --enable-faults.

#include "server/api/answers.h"

namespace holdfast {

Task<Outcome> show_faults(Services& services, http::Request request);
Task<Outcome> set_faults(Services& services, http::Request request);
Task<Outcome> clear_faults(Services& services, http::Request request);

}  // namespace holdfast
