#pragma once

// What calls of the client ask for.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "client/answers.h"
#include "client/cluster_answers.h"
#include "storage/base/clock.h"

namespace holdfast {

enum class Consistency { kLinearizable, kLocal };

// What to read: the newest, or the past.
struct Moment {
  Consistency consistency = Consistency::kLinearizable;
  uint64_t revision = 0;  // 0: not fixed
  std::string at;         // RFC 3339; empty: not fixed
};

// Values of the If-Match and If-None-Match headers; empty: not sent.
struct Condition {
  std::string if_match;
  std::string if_none_match;
};

// What ends a key beside a delete: a lease, or a time of its own. Not both.
struct Lifetime {
  std::string lease;
  Duration ttl{};  // 0: none
};

struct ScanQuery {
  std::string prefix;
  std::string start;
  std::string end;
  uint64_t limit = 0;  // of this page; 0: the server's
  bool is_reverse = false;
  bool is_keys_only = false;
  bool is_count_only = false;
  Moment moment;
  std::string cursor;  // the `next` of the page before
};

// What to watch: one key, or else all with a prefix.
struct WatchQuery {
  std::string key;
  std::string prefix;
  uint64_t from = 0;  // the first revision; 0: what comes behind now
  bool has_prev = false;
  std::string filter;  // "put" or "delete"; empty: both
};
// False: no more is wanted.
using ChangeSink = std::function<bool(const WatchedRevision&)>;

// How a lock is asked for.
struct LockQuery {
  Duration ttl{};     // of the lease by which it is held
  Duration wait{};    // for it to come free, at the node; at most a minute
  std::string owner;  // what the holder is called, for others to see
};

// Where a client is in the events of one node.
struct EventsPlace {
  std::optional<uint64_t> most;  // of those that are kept, before anything was told; none: all
  std::string last_id;           // everything up to there was told
};
// Null: the node is there, and has nothing to tell. False: no more is wanted.
using EventSink = std::function<bool(const NodeEvent*)>;

}  // namespace holdfast
