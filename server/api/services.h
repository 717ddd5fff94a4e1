#pragma once

// What handlers work with. One per io thread; filled in before the first request, and everything
// in it outlives every request.

#include <boost/asio/io_context.hpp>

#include "replication/node/status.h"
#include "server/gate.h"
#include "storage/base/clock.h"
#include "storage/kv/engine.h"

namespace holdfast {

class Metrics;
class Readers;

struct Services {
  Gate* gate = nullptr;
  const Engine* engine = nullptr;
  const StatusBoard* status = nullptr;
  const Clock* clock = nullptr;
  boost::asio::io_context* loop = nullptr;  // of this io thread
  Readers* readers = nullptr;
  Metrics* metrics = nullptr;
  size_t value_bytes_max = 0;
};

}  // namespace holdfast
