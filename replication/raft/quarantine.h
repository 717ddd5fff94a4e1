#pragma once

// Whether this node may lack what it acknowledged, and until when (see quarantine.cc). A value in
// Raft.

#include <cstdint>
#include <optional>

#include "storage/base/ids.h"

namespace holdfast::raft {

class Quarantine {
 public:
  // Of one that is on from the start, a note is on disk.
  explicit Quarantine(bool is_on) : stage_(is_on ? Stage::kNoted : Stage::kOff) {}

  bool is_on() const { return stage_ != Stage::kOff; }
  bool is_due() const { return stage_ == Stage::kDue; }  // on, and not noted on disk yet
  void begin() { stage_ = Stage::kDue; }
  void noted() {
    if (is_due()) stage_ = Stage::kNoted;
  }

  // The log of this term's leader went so far when it had an answer of this life. The first counts.
  void heed_reach(LogIndex last);
  // What an earlier term's leader had is not what this one's has.
  void forget_reach() { must_match_.reset(); }
  // The log is on disk, and that of this term's leader, up to `match`.
  void end_if_whole(LogIndex match);

 private:
  enum class Stage : uint8_t { kOff, kDue, kNoted };
  Stage stage_;
  std::optional<LogIndex> must_match_;
};

}  // namespace holdfast::raft
