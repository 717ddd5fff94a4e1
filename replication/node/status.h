#pragma once

// What a node says of itself, as one consistent snapshot: written by the replica's thread after a
// turn, read by every other. Answers, /v1/cluster and /metrics are made from it.

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "replication/node/agreement.h"
#include "replication/raft/raft.h"
#include "storage/kv/settings.h"

namespace holdfast {

struct NodeStatus {
  ClusterId cluster;
  NodeId self;
  std::string name;
  raft::Status raft;
  raft::Members members;
  std::map<NodeId, std::string> client_urls;  // as the nodes announced them
  LogIndex durable;
  Revision revision;
  std::shared_ptr<const HashCheck> check = std::make_shared<const HashCheck>();  // the newest
  Agreement agreement;                                                           // that follows
  Settings settings;
  Revision history_floor{1};
  uint64_t disk_free_bytes = 0;
  Instant taken;  // when, on this node's clock

  // Where clients reach the leader; empty if it is not known.
  std::string leader_url() const {
    const auto found = client_urls.find(raft.leader);
    return found == client_urls.end() ? std::string() : found->second;
  }
};

class StatusBoard {
 public:
  std::shared_ptr<const NodeStatus> read() const {
    const std::lock_guard lock(mutex_);
    return newest_;
  }
  void publish(std::shared_ptr<const NodeStatus> status) {
    const std::lock_guard lock(mutex_);
    newest_ = std::move(status);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const NodeStatus> newest_ = std::make_shared<const NodeStatus>();
};

}  // namespace holdfast
