#pragma once

// What handlers reach. One per io thread; everything in it outlives every request.

#include "replication/node/status.h"
#include "server/gate.h"
#include "storage/base/clock.h"
#include "storage/kv/engine.h"

namespace holdfast {

struct Context {
  Gate& gate;
  const Engine& engine;
  const StatusBoard& status;
  const Clock& clock;
  size_t value_bytes_max;
};

}  // namespace holdfast
