#pragma once

// As of when this node's state was current. A leader proves that nobody else led, and what was
// committed then, at a time when it already had an answer of this node: so the node's own clock
// measures it, from when it gave that answer. Pure; owned by Raft.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "replication/raft/message.h"
#include "storage/base/clock.h"
#include "storage/base/ids.h"

namespace holdfast::raft {

// A state that holds this much was current then.
struct Currency {
  Instant as_of;
  LogIndex commit;
};

class CurrencyWatch {
 public:
  // Moments are numbered from `first` on, which is drawn: never one of an earlier life.
  explicit CurrencyWatch(uint64_t first) : first_(first), next_moment_(first) {}

  // The number of an answer that leaves now. Reads bring many heartbeats: answers of about the same
  // time, less than `apart` after the earliest, share that one's.
  uint64_t moment_of_answer(Instant now, Duration apart) {
    if (!moments_.empty() && now - moments_.back().second < apart) return moments_.back().first;
    if (moments_.size() == kMomentsMax) moments_.pop_front();
    moments_.emplace_back(next_moment_++, now);
    return moments_.back().first;
  }
  uint64_t first() const { return first_; }
  bool was_given(uint64_t moment) const { return moment - first_ < next_moment_ - first_; }

  void take(const CurrencyProof& proof, LogIndex applied) {
    const auto found =
        std::ranges::find(moments_, proof.after_moment, &std::pair<uint64_t, Instant>::first);
    if (found == moments_.end()) return;
    const Instant as_of = found->second;
    moments_.erase(moments_.begin(), found);
    note({as_of, proof.commit}, applied);
  }

  // One proof at a time waits to be applied: a newer one would push it away for ever under load.
  void note(Currency currency, LogIndex applied) {
    if (!unapplied_) unapplied_ = currency;
    note_applied(applied);
  }
  void note_applied(LogIndex applied) {
    if (!unapplied_ || applied < unapplied_->commit) return;
    if (!as_of_ || *as_of_ < unapplied_->as_of) as_of_ = unapplied_->as_of;
    unapplied_.reset();
  }
  std::optional<Instant> as_of() const { return as_of_; }

 private:
  static constexpr size_t kMomentsMax = 64;

  const uint64_t first_;
  uint64_t next_moment_;
  std::deque<std::pair<uint64_t, Instant>> moments_;  // when each answer was given
  std::optional<Instant> as_of_;                      // by the newest proof that is applied
  std::optional<Currency> unapplied_;
};

}  // namespace holdfast::raft
