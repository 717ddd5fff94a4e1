#pragma once

// A node whose log lost entries that it had acknowledged: it keeps what is intact, and does not
// vote until a leader has filled its log again. That it is so lies in a file beside the log, so
// that no restart forgets it. Blocking; at start.
//
//   LOG/QUARANTINE := a note (storage/fs/note.h): u64 stage, u64 term, u64 vote, why

#include <optional>
#include <string>
#include <vector>

#include "storage/log/segmented_log.h"

namespace holdfast {

struct Quarantine {
  enum class Stage : uint64_t {
    kPutsAside = 1,  // files are being renamed, and the log may have lost its newest hard state
    kCatchesUp = 2,  // the log is sound, and ends earlier than it did
  };
  Stage stage;
  HardState hard_state;  // the newest, when the damage was found
  std::string why;       // for people: what is damaged
};

// Nothing: the node is in none. kVoteLost: the file is damaged.
Result<std::optional<Quarantine>> read_quarantine(FileSystem& fs, const std::string& directory);

// For a log that is sound, and turns out to end earlier than it did: from then on it is as one that
// was mended.
Result<> begin_quarantine(FileSystem& fs, const std::string& directory, const HardState& hard_state,
                          const std::string& why);

// What is left of the log is taken for all of it from now on: where nobody is left who has more.
// Does nothing where there is none.
Result<> forget_quarantine(FileSystem& fs, const std::string& directory);

// All that is left of a quarantine that is over, as files to remove, in this order.
Result<std::vector<std::string>> left_of_quarantine(const FileSystem& fs,
                                                    const std::string& directory);

struct MendedLog {
  SegmentedLog::Opened opened;
  std::string needless_damage;  // for people: what was damaged, and put aside; or nothing
  std::optional<Quarantine> quarantine;
};

// As SegmentedLog::open, but segments that hold nothing behind `durable`, the last entry in the
// durable state, are put aside where one of them is damaged: the log begins behind them.
Result<MendedLog> open_needed_log(FileSystem& fs, const std::string& directory,
                                  const SegmentedLog::Options& options, LogIndex durable);

// As open_needed_log, but where other synced bytes are damaged the log is made to end before them,
// and the node is in quarantine from then on. Only for a member with peers, which hold the entries.
// kVoteLost, nothing changed: the newest hard state may be lost too. Such a node might vote twice
// in one term.
Result<MendedLog> open_and_mend(FileSystem& fs, const std::string& directory,
                                const SegmentedLog::Options& options, LogIndex durable);

}  // namespace holdfast
