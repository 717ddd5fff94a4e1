#pragma once

// When requests that ask for it passed their stages, by the clock of the node where they began.
// Costs nothing where nobody asks.

#include <map>
#include <optional>
#include <vector>

#include "storage/base/clock.h"
#include "storage/base/ids.h"

namespace holdfast::raft {

enum class Tracing : uint8_t { kNone, kTraced };

struct Trace {
  RequestId request;
  bool is_elsewhere = false;         // another node leads, and what it does in between is not seen
  Instant given = {};                // a change: to the leader; a read: its confirmation was begun
  std::optional<Instant> persisted;  // a change, on the leader: by its own disk
  Instant settled = {};              // a change: known to be committed; a read: confirmed
  friend bool operator==(const Trace&, const Trace&) = default;
};

// Of the requests that have not been answered. What is not traced is passed over.
class Traces {
 public:
  void open(RequestId request, Tracing tracing) {
    if (tracing == Tracing::kTraced) traces_[request].trace.request = request;
  }
  // `index`: of its entry here; none: to another node, or a read.
  void give(RequestId request, Instant now, bool is_elsewhere, LogIndex index) {
    if (!traces_.empty()) note_given(request, now, is_elsewhere, index);
  }
  void persist(LogIndex upto, Instant now) {
    if (!traces_.empty()) note_persisted(upto, now);
  }
  // It ends here, one way or the other.
  std::optional<Trace> settle(RequestId request, Instant now) {
    return traces_.empty() ? std::nullopt : take(request, now);
  }

 private:
  struct Open {
    Trace trace;
    LogIndex index;
  };
  void note_given(RequestId request, Instant now, bool is_elsewhere, LogIndex index);
  void note_persisted(LogIndex upto, Instant now);
  std::optional<Trace> take(RequestId request, Instant now);

  std::map<RequestId, Open> traces_;
};

}  // namespace holdfast::raft
