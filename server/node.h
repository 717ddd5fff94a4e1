#pragma once

// A whole storage node: opens what is on disk, forms its cluster if it is new, and runs the
// replica, its log, its state and its HTTP service. The wiring list, with no logic of its own.
//
// Threads: the loop that calls `run` (peers, replica, clients), the log's, the state machine's,
// and RocksDB's own.

#include <memory>

#include "server/config.h"

namespace holdfast {

enum class NodeEnd {  // and the exit code of the process
  kStopped = 0,       // as asked
  kRemoved = 3,       // it is no member of its cluster any more, and never will be
};

class Node {
 public:
  // Locks and opens the data directory, and listens for peers and clients. An error says what to
  // do about it.
  static Result<std::unique_ptr<Node>> open(const Config& config);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Serves until SIGTERM or SIGINT, until the node is removed from its cluster, or until the
  // cluster cannot form or does not take it in.
  Result<NodeEnd> run();

 private:
  struct Parts;
  explicit Node(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace holdfast
