#pragma once

// A cluster whose every act is ordered by a script: which message arrives, when a disk or a state
// machine answers, who wakes. Between two acts nothing happens. The rules of tests/sim/invariants.h
// are checked after each step of each node.

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "replication/raft/raft.h"
#include "tests/sim/invariants.h"

namespace holdfast::scenarios {

// One direction between two nodes, perhaps only for one kind of message ("Append"), and perhaps
// only the oldest of them.
struct Route {
  NodeId from;
  NodeId to;
  std::string kind;
  size_t most = SIZE_MAX;
};

enum class Part { kDisk, kApply, kSnapshot };

class Cluster {
 public:
  struct Disk {
    Term term;
    std::vector<Term> log;  // the terms of its entries
  };
  struct Setup {
    size_t nodes = 3;
    raft::Config limits;
    std::map<NodeId, Disk> disks;  // what they hold at the start, where it is not nothing
  };

  explicit Cluster(const Setup& setup);

  std::vector<NodeId> nodes() const;

  // Time. `tick` delivers nothing; `run` delivers everything at once when it is sent.
  void tick(Duration duration);
  void run(Duration duration);
  void wake_until_candidate(NodeId node);  // its timers alone go off

  // Network.
  void deliver(const std::optional<Route>& route);  // what is on its way now
  void settle();                                    // until nothing is on its way
  void drop(const std::optional<Route>& route);
  void duplicate(const Route& route);
  void cut(NodeId from, NodeId to);
  void mend();

  // Clients.
  void propose(NodeId node, const std::vector<std::string>& payloads);
  void read(NodeId node);

  // Members. `asked` carries the change to the leader; one that is added begins to live, empty.
  void add(NodeId asked, NodeId id, raft::Member wish);
  void change(NodeId asked, raft::MemberChange::Act act, NodeId id);

  // The node's state becomes durable, and its log begins with entry `first`.
  void forget_before(NodeId node, LogIndex first);
  // Of the log of a node that is down, entry `first` and what follows is damaged.
  void damage(NodeId node, LogIndex first);
  // The state of a node that is down is gone.
  void drop_state(NodeId node);
  // The oldest snapshot that the node is to send does not arrive.
  void fail_snapshot(NodeId node);

  void peer_gone(NodeId node, NodeId peer);   // the node is told so
  void transfer(NodeId node, NodeId target);  // asks the node for it; none: to anybody

  // Disks and state machines answer at once, and snapshots arrive at once, unless held.
  void hold(NodeId node, Part part);
  void release(NodeId node, Part part);
  void answer_one(NodeId node, Part part);

  // Of the writes that were not answered, the first `kept` have reached the disk.
  void crash(NodeId node, size_t kept);
  void restart(NodeId node);

  // Ends every fault and runs until all nodes agree; says on what, or that they do not.
  void converge();

  void print_status();
  void print_applied(NodeId node);

  // What is written down of what happens: "messages", "votes" (messages of elections), "roles",
  // "answers", "members", "snapshots", "disk".
  void show(std::set<std::string> kinds) { shown_ = std::move(kinds); }
  std::vector<std::string> take_lines();
  const std::optional<sim::Violation>& violation() const { return invariants_.violation(); }

 private:
  // What a state machine holds.
  struct State {
    LogPosition at;
    raft::Members members;
    std::vector<std::string> applied;
    uint64_t hash = 0;
  };
  struct Sending {
    raft::SnapshotOrder order;
    State state;
  };
  using ApplyOrder = std::variant<std::vector<EntryPtr>, raft::InstallOrder>;
  struct Node {
    std::unique_ptr<raft::Raft> raft;  // while it runs
    // On its disk.
    HardState hard_state;
    LogPosition log_before;
    std::vector<EntryPtr> log;
    bool quarantined = false;
    bool lacks_state = false;
    bool loses = false;  // entries, at its next start
    State durable;
    // Of this life.
    std::deque<LogWrite> writes;
    std::deque<LoadOrder> loads;
    std::deque<ApplyOrder> applies;
    std::deque<Sending> sending;
    std::map<std::string, State> arrived;
    std::set<Part> held;
    State state;
    raft::Members told_members;
    int lives = 0;
  };

  void step(NodeId id, raft::Input input);
  void carry_out(NodeId id);
  void send(raft::Envelope envelope);
  // Takes what is on its way there out of the network.
  std::vector<raft::Envelope> take(const std::optional<Route>& route);
  void wake_due(Instant end, bool deliver_all);
  static void carry_out(const LogWrite& write, Node& node);
  void persist_one(NodeId id);
  void load_one(NodeId id);
  void apply_one(NodeId id);
  void apply(NodeId id, const std::vector<EntryPtr>& entries);
  void install(NodeId id, const raft::InstallOrder& order);
  void send_snapshot_one(NodeId id);
  void note_members(NodeId id);
  bool answer_what_is_not_held(NodeId id);
  bool agree() const;
  void line(const std::string& kind, std::string text);

  const Setup setup_;
  sim::Invariants invariants_;
  std::map<NodeId, Node> nodes_;
  Instant now_{};
  std::vector<raft::Envelope> network_;
  std::set<std::pair<NodeId, NodeId>> cuts_;
  uint64_t next_request_ = 1;
  uint64_t snapshots_ = 0;
  std::set<std::string> shown_ = {"messages", "roles", "answers", "members", "snapshots"};
  std::vector<std::string> lines_;
};

}  // namespace holdfast::scenarios
