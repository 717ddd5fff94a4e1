#pragma once

// An operation of a history as a request of the API, and what an answer says of it.

#include "bench/drill/history.h"
#include "client/http_connection.h"

namespace holdfast::drill {

HttpRequest request_for(const Operation& operation, const Names& names, Duration patience);

// Fills in outcome, branch, revision and what was found; nothing of what the answer does not tell.
// `end` is for the caller.
void take_answer(const std::expected<HttpResponse, NoAnswer>& answer, Operation& operation,
                 Names& names);

}  // namespace holdfast::drill
