#pragma once

// Connections for the load: TCP without delay, which never block once they are there.

#include "client/endpoint.h"
#include "storage/base/clock.h"
#include "storage/base/descriptor.h"
#include "storage/base/result.h"

namespace holdfast::load {

// Waits until it is connected, at most for `patience`.
Result<Descriptor> connect_now(const Endpoint& endpoint, Duration patience);
// Does not wait: the socket can be written to when it is connected, and connect_error() says
// whether.
Result<Descriptor> begin_connecting(const Endpoint& endpoint);
// What became of it; 0: it is connected.
int connect_error(const Descriptor& socket);

}  // namespace holdfast::load
