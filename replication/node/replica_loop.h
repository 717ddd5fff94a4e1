#pragma once

// The replica's shell: an event loop that gives it what has happened and wakes it in time. The
// loop may carry other work too (peers' sockets, clients' connections): whatever is ready in one
// turn of the loop reaches the replica as one batch.

#include <functional>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "replication/node/replica.h"
#include "storage/base/clock.h"
#include "storage/base/mailbox.h"

namespace holdfast {

class ReplicaLoop {
 public:
  // Called on the loop after each turn, with the changes of role that it brought.
  using AfterTurn = std::function<void(Instant now, const std::vector<raft::RoleChange>&)>;

  ReplicaLoop(boost::asio::io_context& loop, const Clock& clock);

  // From now on the replica is given what was posted, before and after. On the loop's thread.
  void start(Replica& replica, AfterTurn after_turn);
  // What is posted after this reaches nobody. On the loop's thread.
  void stop();
  // The clock goes at another rate from now on: timers that were set by the old one are set anew.
  // Returns at once. On the loop's thread.
  void look_at_clock();

  // Any thread.
  void post(raft::Input input);

 private:
  void turn();
  void set_timer(Instant deadline);

  boost::asio::io_context& loop_;
  const Clock& clock_;
  Mailbox<raft::Input> mailbox_;
  std::vector<raft::Input> inputs_;
  Replica* replica_ = nullptr;
  AfterTurn after_turn_;
  boost::asio::steady_timer timer_;
  Instant timer_at_ = kNever;
};

}  // namespace holdfast
