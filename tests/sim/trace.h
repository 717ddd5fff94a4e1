#pragma once

// What is kept of a run: a hash of everything that happened, always; the last lines of each node
// as text, where asked for; and how often each interesting thing was reached.

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "storage/base/clock.h"
#include "storage/base/ids.h"

namespace holdfast::sim {

enum class Mark : uint8_t {
  kElection,
  kSplitVote,
  kStepDownByCheckQuorum,
  kPreVoteRefused,
  kVoteRefused,
  kAppendRejected,
  kTruncation,
  kTornTail,
  kUnsyncedWriteLost,
  kUnsyncedWriteKept,
  kLoadForFollower,
  kLoadForApply,
  kResubmitted,
  kDoubledForward,
  kForwardRefused,
  kReadRetried,
  kRefusedNoLeader,
  kRefusedOverloaded,
  kRefusedTimeout,
  kRefusedUnknown,
  kRefusedRejected,
  kRefusedFenced,
  kRefusedOvertaken,
  kUnknownThenSeen,
  kConditionFailed,
  kCrash,
  kCrashOfAll,
  kCut,
  kPause,
  kSlowDisk,
  kMessageLost,
  kMessageDoubled,
  kNewsOfCrash,
  kFalseNews,
  kTransfer,
  kTakeOver,
  kFlushLost,  // the state went back to an earlier flush at a crash
  kStalledDisk,
  kDamage,
  kDamageFound,
  kDamageHealed,
  kPromiseLost,
  kStateDamaged,
  kStateHealed,
  kCoreLacksState,  // in the majority that lives on, a node had lost its state
  kOtherSettings,
  kClockChanged,
  kCutForEver,
  kPipelined,      // a change was asked for while another of its client waited at that node
  kRestHadLeader,  // when the rest was broken for ever, its leader was in it
  kRestDown,       // and so were broken for ever…
  kRestCut,
  kRestDeaf,
  kRestMute,
  kRestOneWay,
  kRestPaused,
  kRestStalled,
  kRestLossy,
  kRestFull,
  kLogCut,
  kLoadTooLate,
  kSnapshotSent,
  kSnapshotFailed,
  kSnapshotEnded,
  kSnapshotDiscarded,
  kStateInstalled,
  kStateAheadOfLog,
  kMemberAdded,
  kMemberRemoved,
  kMemberLeft,
  kKeysExpired,
  kLeaseNotFound,
  kLockHeld,
  kReplayed,
  kComparesFailed,
  kFloorRose,
  kPastRead,
  kPastRefused,
  kHashesCompared,
  kFullDisk,
  kReserveGiven,
  kWaitForRoom,
  kRoomAgain,
  kRefusedNoRoom,
  kCount,
};
inline constexpr size_t kMarks = static_cast<size_t>(Mark::kCount);
std::string_view name(Mark mark);

class Marks {
 public:
  void reach(Mark mark, uint64_t times = 1) { counts_[static_cast<size_t>(mark)] += times; }
  uint64_t count(Mark mark) const { return counts_[static_cast<size_t>(mark)]; }
  void add(const Marks& other);

 private:
  std::array<uint64_t, kMarks> counts_{};
};

enum class TraceKind { kHashOnly, kLastLines, kPrintAll };

class Trace {
 public:
  explicit Trace(TraceKind kind) : kind_(kind) {}

  void mix(uint64_t value) { hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15 + (hash_ >> 29); }
  uint64_t hash() const { return hash_; }

  bool wants_lines() const { return kind_ != TraceKind::kHashOnly; }
  void line(Instant now, NodeId node, const std::string& text);
  // The last lines of each node; node 0 is the world.
  std::string last_lines() const;

 private:
  static constexpr size_t kLinesKept = 50;

  const TraceKind kind_;
  uint64_t hash_ = 0;
  std::map<NodeId, std::deque<std::string>> lines_;
};

}  // namespace holdfast::sim
