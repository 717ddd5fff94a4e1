#pragma once

// What must hold in every run, watched from outside: each rule is one function, and looks only at
// what the last act changed. Told of every write, sync, message, application and step of every
// node, crashes included; remembers for ever what was once committed or promised.

#include <deque>
#include <map>
#include <optional>
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
  Invariants(const std::vector<NodeId>& nodes, raft::Config limits);

  // What the node's next lives are limited by, if not by the limits that all began with.
  void runs_with(NodeId node, const raft::Config& limits);
  // A node begins to live with what its disk held. `raft` must outlive it until `crashed`.
  void started(NodeId node, const raft::Recovered& found, const raft::Raft& raft);
  void crashed(NodeId node);
  // Synced bytes of the log of a node that is down were damaged, and it goes on with what it found,
  // which begins or ends elsewhere than what it wrote. Before `started`.
  void lost_entries(NodeId node, const raft::Recovered& found);
  // The state of a node that is down is gone. Before `started`.
  void lost_state(NodeId node);

  // The node's log was made, and begins with this term and, perhaps, entry.
  void begun(NodeId node, const HardState& hard_state, const EntryPtr& first);
  void submitted(NodeId node, const LogWrite& write);             // handed to the log
  void persisted(NodeId node, WriteTicket upto);                  // synced, just now
  void loaded(const std::vector<EntryPtr>& entries);              // read back from a disk
  void sent(const raft::Envelope& envelope);                      // leaves its node
  void asked(NodeId node, const raft::Propose& changes);          // by its clients
  void settle(NodeId node, RequestId request);                    // refused by it
  void given(NodeId node, const std::vector<EntryPtr>& entries);  // to its state machine
  void applied(NodeId node, const std::vector<EntryPtr>& entries, uint64_t state_hash);
  void installed(NodeId node, LogPosition position, uint64_t state_hash);  // durable at once
  void durable(NodeId node, LogIndex upto);  // survives any crash of the node
  // `current_as_of`: what its status says, in the time of `now`, which is the same for all nodes.
  void stepped(NodeId node, Instant now, std::optional<Instant> current_as_of);

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
    NodeId vote;
    LogIndex commit;
    LogIndex applied;
    Instant at{};
    std::optional<Instant> current_as_of;
  };
  struct Node {
    const raft::Raft* raft = nullptr;  // while it runs
    raft::Config limits;
    Disk disk;
    std::vector<Term> acknowledged;  // what the disk held before it was damaged; until made good
    LogIndex durable;
    LogPosition installed;  // where the last state that came from elsewhere put this one
    LogIndex members_at;    // the newest members entry in its log; 0: it was cut
    // Of this life.
    Seen seen;
    LogIndex given;                     // the last entry that its state machine applied
    std::vector<NodeId> voters;         // in its list of members, after its last step
    std::map<RequestId, size_t> asked;  // bytes of each change whose fate is open
    size_t asked_bytes = 0;
    size_t applying_bytes = 0;
    std::vector<size_t> bytes_upto;  // of the entries up to 0, 1, 2, … of its log
  };

  void carry_out(const LogWrite& write, Disk& disk);
  void weigh(Node& node) const;
  static bool holds(const Disk& disk, const raft::Recovered& found);
  void begin_behind(LogPosition position, Disk& disk);
  std::optional<Term> term_before(const Node& node, const LogWrite& write) const;

  void one_leader_per_term(NodeId node, const raft::Status& status);
  void leader_completeness(NodeId node, const raft::Raft& raft, Term term);
  void log_matching(NodeId node, const LogWrite& write);
  void one_change_of_members(NodeId node, const LogWrite& write);
  void note_members(const LogEntry& committed);
  void only_the_removed_leave(NodeId node, const raft::Status& status);
  void log_reaches_back(NodeId node, const LogWrite& write);
  void committed_never_changes(NodeId node, const raft::Status& status, Instant now);
  void currency_is_true(NodeId node, const raft::Status& status,
                        std::optional<Instant> current_as_of);
  void committed_is_on_a_quorum(NodeId leader, LogIndex index);
  bool is_on_a_quorum(LogIndex index, const std::vector<NodeId>& voters) const;
  void later_leaders_have(LogIndex index);
  void order_of_indexes(NodeId node, const raft::Status& status);
  void nothing_goes_back(NodeId node, const raft::Status& status);
  void time_goes_on(NodeId node, Instant now, std::optional<Instant> current_as_of);
  void stamps_never_fall(const LogEntry& entry, Term before);
  void cluster_clock_is_not_ahead(NodeId node, const raft::Status& status, Instant now);
  void limits_hold(NodeId node, const raft::Status& status);
  void bytes_add_up(NodeId node, const raft::Status& status);
  void term_before_message(const raft::Envelope& envelope);
  void vote_before_promise(const raft::Envelope& envelope);
  void vote_for_a_whole_log(const raft::Envelope& envelope);
  void one_vote_per_term(NodeId node, Term term, NodeId vote);
  void entries_before_promise(const raft::Envelope& envelope, LogIndex match);

  raft::Config widest_;  // the greatest of each limit that any node ran with
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
  std::vector<NodeId> removed_;  // by the newest committed list of members
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
