#pragma once

// Every path that the server answers, in one place.

#include "server/http/router.h"

namespace holdfast {

void add_routes(http::Router& router);

}  // namespace holdfast
