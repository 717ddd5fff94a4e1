#pragma once

// What the data directories that are left of a cluster say together: whether it needs a recovery at
// all, which log is the longest safe one, and what may be lost. Pure; the reading is in survey.h.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "replication/raft/membership.h"
#include "server/data_directory.h"
#include "storage/base/clock.h"
#include "storage/kv/kv_state_machine.h"
#include "storage/log/recovery.h"

namespace holdfast::recover {

// Why a directory does not count.
enum class Trouble {
  kNoNode,        // there is no node's data in it
  kInUse,         // a process has it open
  kNewerFormat,   // a newer version wrote it
  kDamaged,       // bytes, or whole files, are not what was written
  kUnreadable,    // the system refused
  kNoCluster,     // the node never was in a cluster
  kOtherCluster,  // than the first directory that was named
  kCopy,          // of the same node as another one, which says at least as much
};

struct Problem {
  Trouble trouble;
  std::string message;
};

// A log and a state that were found sound, and to belong together.
struct Contents {
  HardState hard_state;
  LogPosition before;  // the entry before the log's first
  LogPosition last;
  // The state was installed at `last`, and a crash came before the log was made to begin there.
  bool log_restarts = false;
  raft::Members members;  // the newest that log or state names, committed or not
  std::optional<TornTail> torn_tail;
  // The log ends before entries that this node had acknowledged, since they were damaged, and no
  // leader has filled it again: why, for people. What is left of it is as sound as any log.
  std::optional<std::string> quarantine;
};

// What lies beside log and state, since it was damaged.
struct Remark {
  std::string path;
  std::string meaning;  // for people
  // Entries that this node had acknowledged may be there, and in no log that was found.
  bool may_hold_acknowledged = false;
};

// What one directory says, as far as it could be read.
struct Finding {
  std::string path;
  std::optional<Identity> identity;
  std::optional<StateSummary> state;  // what is in it was committed, whatever is wrong with the log
  std::optional<Contents> contents;
  std::optional<WallTime> last_written;
  std::vector<Remark> remarks;
  std::optional<Problem> problem;

  bool counts() const { return contents && !problem; }
  // It has all that it ever acknowledged.
  bool is_whole() const { return counts() && !contents->quarantine; }
};

enum class Verdict {
  kNothingUsable,  // no directory counts
  kMajorityHere,   // of whole ones, to be started as they are
  kRecoverable,    // a new cluster can be made from the best one
  kBegun,          // that was begun in the best one, and did not come to its end
};

// Whether something may have been acknowledged that is in no log here.
enum class Loss {
  kNothing,  // a majority of the voters is here, and whole
  // No majority without one of those here, unless the members were changed later on the lost ones.
  kNothingIfMembersStood,
  kUnknown,  // a majority could acknowledge without those that are here
};

struct Voter {
  enum class Place { kHere, kQuarantined, kUnusable, kMissing };
  raft::Member member;
  Place place;
};

struct Judgement {
  std::vector<Finding> findings;  // as given, in their order; those that do not count say why
  ClusterId cluster;              // none: not one directory names one
  Verdict verdict = Verdict::kNothingUsable;

  // Where something counts:
  size_t best = 0;  // of `findings`: the longest log, in Raft's order, in quarantine or not
  Term term;        // the highest that any of them knows
  std::vector<Voter> voters;
  size_t majority = 0;
  Loss loss = Loss::kUnknown;
  // The state that reaches farthest, of `findings`: up to there everything was committed.
  std::optional<size_t> farthest_state;
  // That state holds what the best log does not: it is lost with a recovery, for certain.
  bool lacks_committed = false;

  const Finding& best_finding() const { return findings[best]; }
  bool may_be_put_aside() const;  // something that was acknowledged, by what the remarks say
  LogPosition committed() const;  // for certain; none: nothing is
  std::vector<const Voter*> voters_at(Voter::Place place) const;
};

Judgement judge(std::vector<Finding> findings);

// Why no new cluster is to be made from the directory `chosen`; nothing: it may be.
std::optional<std::string> objection(const Judgement& judgement, const std::string& chosen);

}  // namespace holdfast::recover
