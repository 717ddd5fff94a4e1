#pragma once

// What handlers work with. One per io thread; everything in it outlives every request.

#include <boost/asio/io_context.hpp>

#include "replication/node/status.h"
#include "server/gate.h"
#include "storage/base/clock.h"
#include "storage/kv/kv_state_machine.h"

namespace holdfast {

class Backups;
class EventReaders;
class Events;
class Faults;
class LockWaiters;
class Metrics;
class Readers;
class Watchers;

struct Services {
  const Clock* clock = nullptr;
  Events* events = nullptr;
  Gate* gate = nullptr;  // and what follows: null until the node has a replica
  const Engine* engine = nullptr;
  const KvStateMachine* machine = nullptr;  // its any-thread calls
  const StatusBoard* status = nullptr;
  boost::asio::io_context* loop = nullptr;  // of this io thread
  Readers* readers = nullptr;
  Backups* backups = nullptr;
  Watchers* watchers = nullptr;
  LockWaiters* lock_waiters = nullptr;
  EventReaders* event_readers = nullptr;
  Metrics* metrics = nullptr;
  Faults* faults = nullptr;  // null: none can be made
  size_t value_bytes_max = 0;
};

}  // namespace holdfast
