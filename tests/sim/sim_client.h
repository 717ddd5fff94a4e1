#pragma once

// Clients: each keeps one request or several waiting at its node, and thinks after the end of each.
// Values are never used twice, so that every value read tells which change wrote it.

#include <map>
#include <utility>
#include <vector>

#include "tests/sim/history.h"
#include "tests/sim/sim_node.h"
#include "tests/sim/watch.h"

namespace holdfast::sim {

class ClientPool {
 public:
  ClientPool(Watch& watch, const SimNodes& nodes) : watch_(watch), nodes_(nodes) {}

  void start();
  void stop() { stopped_ = true; }  // what waits is still awaited
  // One write and one linearizable read at the node, by no client.
  void probe(NodeId node);

  Outside outside();
  bool all_ended() const { return waiting_.empty(); }
  bool waits_at(const std::vector<NodeId>& nodes) const;
  const History& history() const { return history_; }

 private:
  struct Client {
    NodeId home;
    std::map<std::string, Revision> seen;  // the newest mod_revision known of each key
  };

  void act(uint64_t client);
  void send_again(RequestId request);  // the same change, under the same key
  Command draw_change(Client& client, const std::string& key);
  TransactionCommand draw_transaction(const Client& client, const std::string& key);
  Command draw_lease_change();
  LeaseId draw_lease();
  uint64_t draw_ttl_ms();
  void send(Operation operation);
  void read_past(Operation& operation, const SimNode& target);
  bool has_change_before(const Operation& operation) const;  // of its client, waiting at its node
  void end(Operation& operation, Outcome outcome);
  // The operation that waits for this answer. Null: it had its answer, and may have this one too.
  Operation* answered(NodeId node, RequestId request, Outcome outcome);
  void completed(NodeId node, const Completion& completion);
  void readable(NodeId node, RequestId request);
  void refused(NodeId node, const raft::Refusal& refusal);
  void died(NodeId node);
  SimNode& node(NodeId id) const { return *nodes_[id.value - 1]; }

  Watch& watch_;
  const SimNodes& nodes_;
  std::vector<Client> clients_;
  bool stopped_ = false;
  History history_;
  uint64_t next_value_ = 1;
  uint64_t newest_token_ = 0;                   // that any client was told of a lock
  std::map<RequestId, size_t> waiting_;         // request → place in history_
  std::map<RequestId, Outcome> ended_;          // by an answer of its node
  std::map<NodeId, RequestId> before_restart_;  // the newest request before the last crash
};

}  // namespace holdfast::sim
