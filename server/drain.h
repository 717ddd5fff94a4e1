#pragma once

// How a node that serves comes to an end, by SIGTERM, SIGINT or its removal: the leadership goes to
// another member first, if one is there, so that a planned stop costs no election; then there are
// no new connections; then the answers that are owed; then the loop ends. On the loop.

#include <cstddef>
#include <functional>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "server/stop_signal.h"
#include "storage/base/clock.h"
#include "storage/base/events.h"

namespace holdfast {

class Drain {
 public:
  struct Seams {
    std::function<void()> give_leadership_up;
    std::function<bool()> may_hand_over;  // it leads, and another could
    std::function<void()> refuse_connections;
    std::function<size_t()> connections;
    TellEvent tell = log_event;
  };

  Drain(boost::asio::io_context& loop, const Clock& clock, Duration handover_patience, Seams seams)
      : loop_(loop),
        clock_(clock),
        handover_patience_(handover_patience),
        seams_(std::move(seams)),
        signal_(loop),
        timer_(loop) {}

  void begin_on_signal();
  void begin();  // without a change of leader

 private:
  void begin_when_handed_over(Instant deadline);
  void end_when_done(Instant deadline);

  boost::asio::io_context& loop_;
  const Clock& clock_;
  const Duration handover_patience_;
  const Seams seams_;
  StopSignal signal_;
  boost::asio::steady_timer timer_;
};

}  // namespace holdfast
