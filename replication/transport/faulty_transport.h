#pragma once

// Links to peers that are bad on purpose, for drills: stands before the transport for what is sent,
// and behind it for what has arrived. On the loop alone.
//
// Bounds: at most kWaitingBytesMax of a link and direction are late, then messages are lost.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "replication/transport/transport.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"

namespace holdfast {

// Of one direction.
struct LinkFault {
  bool cut = false;  // nothing passes
  Duration delay{};  // so much later, in order
  double loss = 0;   // so many of 1 are lost
  bool any() const { return *this != LinkFault{}; }
  friend bool operator==(const LinkFault&, const LinkFault&) = default;
};

enum class LinkWay : uint8_t { kOut, kIn };
using LinkEnd = std::pair<NodeId, LinkWay>;

class FaultyTransport final : public Transport {
 public:
  using Deliver = std::function<void(raft::Envelope)>;

  static constexpr size_t kWaitingBytesMax = 32 << 20;

  // `under` sends what gets through, `deliver` is given what arrives. `loop` and `under` outlive
  // it.
  FaultyTransport(boost::asio::io_context& loop, Transport& under, Deliver deliver, Random random);

  // In the place of all that was set. What is late has its time by the new delay; of what was cut,
  // it is lost.
  void set(const std::map<LinkEnd, LinkFault>& faults);
  // In one direction at least: no connection would stand.
  bool is_cut(NodeId peer) const;

  void send(std::vector<raft::Envelope> envelopes) override;
  void receive(raft::Envelope envelope);

 private:
  struct Late {
    Instant since;
    size_t bytes;
    raft::Envelope envelope;
  };
  struct Link {
    explicit Link(boost::asio::io_context& loop) : timer(loop) {}

    LinkFault fault;
    std::deque<Late> late;
    size_t late_bytes = 0;
    boost::asio::steady_timer timer;  // rings for the first of them
  };

  Link* faulty(NodeId peer, LinkWay way);
  bool holds_back(Link& link, const LinkEnd& end, raft::Envelope& envelope);
  void let_go(const LinkEnd& end);
  void pass(LinkWay way, std::vector<raft::Envelope> envelopes);

  boost::asio::io_context& loop_;
  Transport& under_;
  const Deliver deliver_;
  Random random_;
  std::map<LinkEnd, std::unique_ptr<Link>> links_;  // those with a fault
};

}  // namespace holdfast
