#pragma once

// Keys and values as the log makes them: decodes entries, decides conditions, counts revisions,
// and writes each batch of entries to the engine as one, together with the position in the log
// that it reaches. What each command does is told in API.md's words by command.h and reply.h.

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "storage/kv/agreement.h"
#include "storage/kv/command.h"
#include "storage/kv/engine.h"
#include "storage/kv/history.h"
#include "storage/kv/idempotency.h"
#include "storage/kv/leases.h"
#include "storage/kv/locks.h"
#include "storage/kv/recent_rows.h"
#include "storage/state_machine.h"

namespace holdfast {

class Draft;
class Overlay;

using ClientUrls = std::map<NodeId, std::string>;

// What a new cluster that begins with the state of another one does not take over from it.
struct Beginning {
  std::string members;  // the payload of an entry of kind kMembers
  Revision revision;    // from which it goes on
};

// The state in a few numbers, all of the same moment.
struct StateSummary {
  LogPosition applied;
  Revision revision{1};
  uint64_t cluster_ms = 0;  // of the newest entry; never falls, nor does wall_ms
  uint64_t wall_ms = 0;
  uint64_t state_hash = 0;  // sum modulo 2^64 of the hashes of what is agreed, see README.md

  Stamp stamp() const { return {cluster_ms, wall_ms}; }
  friend bool operator==(const StateSummary&, const StateSummary&) = default;
};

class KvStateMachine final : public StateMachine {
 public:
  static constexpr uint64_t kUnflushedBytesMax = 32 << 20;

  // Goes on where `engine`'s last write left off; the engine must outlive the machine. A flush is
  // asked for after `unflushed_bytes_max` of entries without one, which bounds the replay at a
  // start. An engine whose own words cannot be read: kCorrupt.
  static Result<std::unique_ptr<KvStateMachine>> open(
      Engine& engine, uint64_t unflushed_bytes_max = kUnflushedBytesMax);

  void apply(std::span<const EntryPtr> entries, NodeId self,
             std::vector<Completion>& completions) override;
  LogPosition applied() const override { return head_.applied; }
  LogIndex durable() const override;
  Revision revision() const override { return {revision_.load(std::memory_order_acquire)}; }
  std::optional<Bytes> upkeep(uint64_t now_ms) const override;
  Result<> checkpoint(const std::string& directory) override;
  Result<SnapshotHead> read_snapshot_head(const std::string& directory) const override;
  Result<> install(const std::string& directory) override;
  LogPosition installed() const override { return installed_; }
  // As install, for the first node of a new cluster. Where clients reach nodes is forgotten.
  // kInvalid: also where `beginning` would take revisions back.
  Result<> install_as_new(const std::string& directory, const Beginning& beginning);

  // Any thread, from here on; as of the last whole batch.
  StateSummary summary() const;
  uint64_t state_hash() const { return summary().state_hash; }
  // Where clients reach the nodes that have said so. Never null.
  std::shared_ptr<const ClientUrls> client_urls() const;
  // The payload of the last applied entry of kind kMembers; empty before the first.
  std::string members_payload() const;
  Settings settings() const { return history_.settings(); }
  // Reads below it are refused: asked before a read of the past, and again after any read.
  Revision history_floor() const { return history_.floor(); }
  // Which locks came free: told after the batch that freed them can be read.
  const FreedLocks& freed_locks() const { return locks_.freed(); }
  // The newest check of what the replicas have in common. Never null.
  std::shared_ptr<const HashCheck> hash_check() const;

 private:
  // What the engine's named values say.
  struct Words {
    uint64_t format = 0;
    StateSummary head;
    ClientUrls urls;
    std::string members;
    LogPosition installed;
    HashCheck check;
    Revision floor;
  };

  KvStateMachine(Engine& engine, uint64_t unflushed_bytes_max);
  static Result<Words> decode_words(const NamedValues& values);
  Result<Words> read_words(const std::string& directory) const;
  Result<> install(const std::string& directory, Words words, NamedValues meta);
  Result<> read_back();
  void take_over(Words words);
  Result<LogIndex> read_durable() const;
  Reply apply_command(const LogEntry& entry, Overlay& overlay);
  Reply act(Command& command, Overlay& overlay);
  // What becomes of an answer. One that is to be kept and is too large for it is refused before
  // anything is changed.
  enum class Answer { kGiven, kKept };
  Reply make(Command& command, Overlay& overlay, Answer answer);
  // What clients ask of keys, on an empty draft, which counts if the reply is kOk. The reply lacks
  // its revision.
  Reply draw_up(PutCommand& put, const NamedOverlay& named, Draft& draft) const;
  Reply draw_up(DeleteCommand& remove, const NamedOverlay& named, Draft& draft) const;
  Reply draw_up(DeleteRangeCommand& range, const NamedOverlay& named, Draft& draft) const;
  Reply draw_up(TransactionCommand& transaction, const NamedOverlay& named, Draft& draft) const;
  Reply act(AnnounceCommand& announce, Overlay& overlay);
  Reply act(const CompactCommand& compact, Overlay& overlay);
  Reply act(const SettingsCommand& settings, Overlay& overlay);
  Reply act(const HashCheckCommand& check, Overlay& overlay);
  Reply act(const HashReportCommand& report, Overlay& overlay);
  Reply act(const GrantLeaseCommand& grant, Overlay& overlay);
  Reply act(const KeepLeaseAliveCommand& keep, Overlay& overlay);
  Reply act(const RevokeLeaseCommand& revoke, Overlay& overlay);
  Reply act(const ExpireCommand& expire, Overlay& overlay);
  Reply act(const AcquireLockCommand& acquire, Overlay& overlay);
  Reply act(const KeepLockAliveCommand& keep, Overlay& overlay);
  Reply act(const ReleaseLockCommand& release, Overlay& overlay);
  // As Leases::end, and with the lock that the lease holds.
  void end_lease(const Lease& lease, const std::string& rest_behind, Overlay& overlay);
  // The state holds from now on what only programs of this format can read.
  void need_format(uint64_t format);
  // A floor that age allows to rise, or a check of the hashes.
  std::optional<Bytes> history_upkeep(uint64_t now_ms) const;
  // What a key that is put so is bound to. Nothing: the lease is not there.
  std::optional<Bond> bond_of(const PutCommand& put, const NamedOverlay& named) const;
  // Makes `draft` the newest revision, if it changes anything. Gives back the newest.
  Revision finish(Draft draft, Overlay& overlay);
  Reply lease_not_found(LeaseId id) const;
  Reply refuse(ReplyStatus status, Revision current = {}) const;
  void publish();
  void ask_for_flush(uint64_t applied_bytes);

  Engine& engine_;
  const uint64_t unflushed_bytes_max_;

  // Apply thread only.
  StateSummary head_;
  RecentRows recent_;
  Leases leases_;
  Locks locks_;
  Idempotency idempotency_;
  ClientUrls urls_;
  std::string members_;
  LogPosition installed_;
  History history_;
  HashCheck check_;
  bool check_changed_ = false;
  uint64_t format_ = 0;
  bool format_due_ = false;    // the next batch writes it: after each opening, and when it rises
  bool urls_changed_ = false;  // by the batch at hand
  bool members_changed_ = false;
  uint64_t unflushed_bytes_ = 0;
  uint64_t flushes_known_ = 0;

  // Any thread.
  std::atomic<uint64_t> revision_ = 1;
  std::atomic<uint64_t> cluster_ms_ = 0;
  mutable std::atomic<uint64_t> durable_ = 0;
  mutable std::atomic<uint64_t> flushes_seen_ = 0;
  mutable std::mutex mutex_;
  StateSummary published_;
  std::shared_ptr<const ClientUrls> published_urls_ = std::make_shared<const ClientUrls>();
  std::string published_members_;
  std::shared_ptr<const HashCheck> published_check_ = std::make_shared<const HashCheck>();
};

}  // namespace holdfast
