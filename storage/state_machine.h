#pragma once

// What the log is applied to. Deterministic: the state after `apply` depends on the entries alone.
// No clock, no random number, no container whose order may differ between machines, no limit from
// this node's configuration.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/base/result.h"
#include "storage/kv/reply.h"
#include "storage/log/log_entry.h"

namespace holdfast {

// The answer to one applied entry, for whoever waits for it on the node where it began.
struct Completion {
  RequestId request;
  Reply reply;
};

// What a checkpoint says of itself.
struct SnapshotHead {
  LogPosition applied;
  std::string members;  // the payload of the last applied entry of kind kMembers
  Stamp stamp;          // of the entry at `applied`
  Revision revision;
  friend bool operator==(const SnapshotHead&, const SnapshotHead&) = default;
};

class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // Applies entries in log order as one atomic step together with their last position. Answers for
  // entries whose origin is `self` are added to `completions`, in order. Apply thread only.
  // An entry that cannot be understood stops the process: skipping it would split the replicas.
  virtual void apply(std::span<const EntryPtr> entries, NodeId self,
                     std::vector<Completion>& completions) = 0;

  virtual LogPosition applied() const = 0;  // apply thread only
  // What a restart would find; the log may be cut up to here. Any thread.
  virtual LogIndex durable() const = 0;
  // The newest revision that reads may be fixed to: set after a batch is whole. Any thread.
  virtual Revision revision() const = 0;

  // The payload of a command that the group should carry out by `now_ms` on the cluster's clock;
  // nothing where nothing is due. It may be asked again, and carried out again, until it is
  // applied. Cheap. Any thread.
  virtual std::optional<Bytes> upkeep(uint64_t now_ms) const = 0;

  // A copy of the state as `directory`, which must not exist; its parent must. It is not older than
  // what was applied when the call began. Any thread, while entries are applied; takes a while.
  virtual Result<> checkpoint(const std::string& directory) = 0;
  // Looks over the checkpoint in `directory` (here or received), and only reads. Any thread.
  virtual Result<SnapshotHead> read_snapshot_head(const std::string& directory) const = 0;
  // The checkpoint in `directory`, whose files are synced, takes the place of the state, in one
  // durable step: a crash finds one of both, whole; after success the new one, which is durable as
  // far as it is applied. Apply thread; a reader at the same moment sees either. kInvalid: it is
  // older than the state. After an error the state goes on as it was, and what is left in
  // `directory` is the caller's to remove; after success nothing is.
  virtual Result<> install(const std::string& directory) = 0;
  // Where the last install put the state, also after a restart; {}: there was none. A state may be
  // ahead of its log only if it is exactly here. Apply thread only.
  virtual LogPosition installed() const = 0;
};

}  // namespace holdfast
