#pragma once

// A node that belongs to no cluster yet: it forms one with the listed members, or is taken into one
// that exists, which may have to let go of who the node was first. Runs the loop meanwhile, so that
// its clients hear "not ready"; SIGTERM and SIGINT end it.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "replication/transport/tcp_transport.h"
#include "server/bootstrap.h"
#include "server/join.h"
#include "server/stop_signal.h"

namespace holdfast {

class Newcomer {
 public:
  // All outlive this.
  Newcomer(boost::asio::io_context& loop, TcpTransport& transport, const Clock& clock,
           Random random);

  // All: nothing, or kStopped, if a signal came.
  Result<std::optional<Entered>> form(std::vector<InitialMember> members, const Hello& self);
  Result<std::optional<Entered>> join(std::vector<std::string> urls, const JoinRequest& request);
  Result<Removal> remove(std::vector<std::string> urls, const Departure& departure);

 private:
  struct Forming {
    Bootstrap bootstrap;
    Result<> outcome;
  };
  void ask(std::vector<std::string> urls, const std::function<void(Joiner&)>& question);
  void greet_silent(const std::weak_ptr<Forming>& weak);

  boost::asio::io_context& loop_;
  TcpTransport& transport_;
  const Clock& clock_;
  Random random_;
  StopSignal signal_;
  boost::asio::steady_timer timer_;
  // A signal that was on its way may be told of when this is gone.
  const std::shared_ptr<bool> stopping_ = std::make_shared<bool>(false);
};

}  // namespace holdfast
