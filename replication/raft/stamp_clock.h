#pragma once

// The stamps that a leader gives its entries. The cluster's clock is the stamp of the log's last
// entry at the election, and the leader's own steady time since: it stands still while nobody
// leads, and a change of leader neither turns it back nor makes it jump. Pure; owned by Raft.

#include <algorithm>
#include <optional>

#include "storage/base/clock.h"
#include "storage/log/log_entry.h"

namespace holdfast::raft {

class StampClock {
 public:
  // `last`: of the log's last entry.
  explicit StampClock(Stamp last) : last_(last) {}

  // The log now ends with an entry that bears this one; after a cut it may be older.
  void follow(Stamp last) { last_ = last; }
  void lead_from(Instant now) { base_ = {now, last_.cluster_ms}; }
  void set_calendar(Instant now, uint64_t wall_ms) { calendar_ = Base{now, wall_ms}; }

  // At a leader: the cluster's clock.
  uint64_t cluster_ms(Instant now) const { return std::max(last_.cluster_ms, base_.at(now)); }
  Stamp last() const { return last_; }
  // At a leader: for the entry that it appends.
  Stamp next(Instant now) {
    last_.cluster_ms = cluster_ms(now);
    if (calendar_) last_.wall_ms = std::max(last_.wall_ms, calendar_->at(now));
    return last_;
  }

 private:
  struct Base {
    Instant taken;
    uint64_t ms = 0;
    uint64_t at(Instant now) const {
      return ms + static_cast<uint64_t>((now - taken) / std::chrono::milliseconds(1));
    }
  };

  Stamp last_;
  Base base_{};                   // the cluster's clock when this node began to lead
  std::optional<Base> calendar_;  // as it was told last
};

}  // namespace holdfast::raft
