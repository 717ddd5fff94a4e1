#pragma once

// What must hold in every run, watched from outside: each rule is one function, and looks only at
// what the last act changed. Told of every write, sync, message, application and step of every
// node, crashes included; remembers for ever what was once committed or promised.

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "replication/raft/raft.h"

namespace holdfast::sim {

struct Violation {
  std::string rule;
  std::string detail;
};

class Invariants {
 public:
  Invariants(std::vector<NodeId> voters, raft::Config limits);

  // A node begins to live with what its disk held. `raft` must outlive it until `crashed`.
  void started(NodeId node, const raft::Recovered& found, const raft::Raft& raft);
  void crashed(NodeId node);

  void submitted(NodeId node, const LogWrite& write);  // handed to the log
  void persisted(NodeId node, WriteTicket upto);       // synced, just now
  void loaded(const std::vector<EntryPtr>& entries);   // read back from a disk
  void sent(const raft::Envelope& envelope);           // leaves its node
  void applied(NodeId node, const std::vector<EntryPtr>& entries, uint64_t state_hash);
  void durable(NodeId node, LogIndex upto);  // survives any crash of the node
  void stepped(NodeId node, Instant now);

  // The first rule that was broken, if one was.
  const std::optional<Violation>& violation() const { return violation_; }
  void fail(std::string rule, std::string detail);

  // Writes that were not synced when their node crashed.
  uint64_t unsynced_kept() const { return unsynced_kept_; }
  uint64_t unsynced_lost() const { return unsynced_lost_; }

  LogIndex committed() const { return LogIndex{committed_.size()}; }
  // All entries that were ever seen committed, in log order.
  std::vector<EntryPtr> committed_entries() const;

 private:
  // What a node's disk is known to hold.
  struct Disk {
    HardState hard_state;
    std::vector<Term> terms;  // of entry 1, 2, …
    std::deque<LogWrite> unsynced;
  };
  // The highest that was seen of what must not fall in one life.
  struct Seen {
    Term term;
    LogIndex commit;
    LogIndex applied;
  };
  struct Node {
    const raft::Raft* raft = nullptr;  // while it runs
    Disk disk;
    Seen seen;
    LogIndex durable;
    LogIndex given;  // the last entry that its state machine applied
  };

  static void carry_out(const LogWrite& write, Disk& disk);
  static bool holds(const Disk& disk, const raft::Recovered& found);

  void one_leader_per_term(NodeId node, const raft::Status& status);
  void leader_completeness(NodeId node, const raft::Raft& raft, Term term);
  void log_matching(NodeId node, const LogWrite& write);
  void committed_never_changes(NodeId node, const raft::Status& status, Instant now);
  void currency_is_true(NodeId node, const raft::Status& status);
  void committed_is_on_a_quorum(LogIndex index);
  void later_leaders_have(LogIndex index);
  void order_of_indexes(NodeId node, const raft::Status& status);
  void nothing_goes_back(NodeId node, const raft::Status& status);
  void limits_hold(NodeId node, const raft::Status& status);
  void term_before_message(const raft::Envelope& envelope);
  void vote_before_promise(const raft::Envelope& envelope);
  void vote_for_a_whole_log(const raft::Envelope& envelope);
  void one_vote_per_term(NodeId node, Term term, NodeId vote);
  void entries_before_promise(const raft::Envelope& envelope, LogIndex match);

  const std::vector<NodeId> voters_;
  const raft::Config limits_;
  std::map<NodeId, Node> nodes_;
  std::optional<Violation> violation_;

  std::map<Term, NodeId> leaders_;
  std::map<std::pair<NodeId, Term>, NodeId> votes_;
  struct Committed {
    Term term;
    Term seen_in;  // the term of the node that first knew; later leaders must have the entry
    Instant seen_at;
  };
  std::vector<Committed> committed_;  // entry 1, 2, …
  std::map<LogIndex, uint64_t> state_hashes_;
  // Every entry ever written: by (term, index) there is one, and one before it (log matching).
  struct Written {
    EntryPtr entry;
    Term previous;
  };
  std::map<LogPosition, Written> written_;
  size_t largest_entry_ = 0;
  uint64_t unsynced_kept_ = 0;
  uint64_t unsynced_lost_ = 0;
};

}  // namespace holdfast::sim
