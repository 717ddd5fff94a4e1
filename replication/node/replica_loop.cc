#include "replication/node/replica_loop.h"

#include <utility>

#include <boost/asio/post.hpp>

namespace holdfast {

ReplicaLoop::ReplicaLoop(boost::asio::io_context& loop, const Clock& clock)
    : loop_(loop), clock_(clock), timer_(loop) {}

void ReplicaLoop::start(Replica& replica, AfterTurn after_turn) {
  replica_ = &replica;
  after_turn_ = std::move(after_turn);
  turn();
}

void ReplicaLoop::stop() {
  replica_ = nullptr;
  timer_.cancel();
}

void ReplicaLoop::look_at_clock() {
  boost::asio::post(loop_, [this] {
    timer_.cancel();
    timer_at_ = kNever;
    turn();
  });
}

void ReplicaLoop::post(raft::Input input) {
  // Behind everything that is ready now: the turn then takes all that this turn of the loop brings.
  if (mailbox_.put(std::move(input))) boost::asio::post(loop_, [this] { turn(); });
}

void ReplicaLoop::turn() {
  if (replica_ == nullptr) return;
  mailbox_.drain(inputs_);
  const Instant now = clock_.now();
  inputs_.emplace_back(raft::Calendar{wall_ms(clock_)});
  const std::vector<raft::RoleChange> roles = replica_->turn(now, inputs_);
  set_timer(replica_->next_deadline());
  after_turn_(now, roles);
}

// The timer is set anew only when it would ring too late; when it rings too early the turn finds
// nothing to do and sets it again. Deadlines move with every message, timers cost a system call.
void ReplicaLoop::set_timer(Instant deadline) {
  if (deadline >= timer_at_) return;
  timer_at_ = deadline;
  timer_.expires_at(clock_.on_machine(deadline));
  timer_.async_wait([this](const boost::system::error_code& code) {
    if (code) return;
    timer_at_ = kNever;
    turn();
  });
}

}  // namespace holdfast
