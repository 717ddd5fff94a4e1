#pragma once

// How a connection becomes a WebSocket (RFC 6455, section 4.2).

#include "server/http/request.h"

namespace holdfast::http {

// The connection is to be upgraded by this request, whatever path it names: what its client sends
// behind it is not HTTP.
bool asks_for_web_socket(const Request& request);
// It is meant for a WebSocket, though perhaps not in order.
bool means_web_socket(const Request& request);

// 101, to which the caller adds the conversation. Otherwise why not: 426 with what is offered
// instead, 400 for a key that is none, 403 for a page of another origin.
Response shake_hands(const Request& request);

}  // namespace holdfast::http
