#include "replication/raft/trace.h"

namespace holdfast::raft {

// What was given to a leader that is gone is given again: only the last time counts.
void Traces::note_given(RequestId request, Instant now, bool is_elsewhere, LogIndex index) {
  const auto found = traces_.find(request);
  if (found == traces_.end()) return;
  found->second.index = index;
  found->second.trace.given = now;
  found->second.trace.is_elsewhere = is_elsewhere;
  found->second.trace.persisted.reset();
}

void Traces::note_persisted(LogIndex upto, Instant now) {
  for (auto& [request, open] : traces_) {
    if (open.index && open.index <= upto && !open.trace.persisted) open.trace.persisted = now;
  }
}

std::optional<Trace> Traces::take(RequestId request, Instant now) {
  const auto found = traces_.find(request);
  if (found == traces_.end()) return std::nullopt;
  Trace trace = found->second.trace;
  trace.settled = now;
  traces_.erase(found);
  return trace;
}

}  // namespace holdfast::raft
