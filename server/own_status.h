#pragma once

// What a node says of itself, gathered from its parts. On the loop.

#include <memory>

#include "replication/node/replica.h"
#include "replication/node/status.h"
#include "server/data_directory.h"
#include "storage/kv/kv_state_machine.h"

namespace holdfast {

std::shared_ptr<NodeStatus> own_status(const Identity& identity, const Replica& replica,
                                       const KvStateMachine& machine, Instant now);

}  // namespace holdfast
