#pragma once

// Peers over TCP. Each node dials every other; messages go only from the dialler, so each pair has
// two connections and neither end has to choose. Everything runs on the event loop given in; one
// send is one write for all that waits for that peer.
//
// Bounds: at most kQueueBytesMax wait for one peer, then messages to it are dropped (Raft sends
// them again); at most kConnectionsMax peers may dial in.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "replication/raft/membership.h"
#include "replication/transport/timed_socket.h"
#include "replication/transport/transport.h"
#include "replication/transport/wire.h"
#include "storage/base/random.h"

namespace holdfast {

// "HOST:PORT", also "[::1]:PORT".
struct HostPort {
  std::string host;
  std::string port;
};
Result<HostPort> parse_host_port(std::string_view text);
// An address where others can reach a node: not 0.0.0.0 or [::], which is only where to listen.
Result<> check_peer_address(std::string_view text);

class TcpTransport final : public Transport {
 public:
  static constexpr size_t kQueueBytesMax = 32 << 20;
  static constexpr size_t kConnectionsMax = 64;

  using Deliver = std::function<void(raft::Envelope)>;
  // The process of this peer seems to have ended: the connection to it did, and its host refused
  // the next one, or reset it before a greeting. Called on the loop.
  using Gone = std::function<void(NodeId)>;
  using Greeted = std::function<void(Result<Hello>)>;
  // A peer of this cluster has greeted and was greeted, and will send a snapshot on this
  // connection. Called on the loop.
  using TakeSnapshot = std::function<void(Descriptor connection, const Hello& peer)>;

  // `loop` must outlive this, and be stopped before this ends.
  TcpTransport(boost::asio::io_context& loop, Hello self, Random random);
  ~TcpTransport() override;

  // Listens and answers greetings from now on; messages are taken once `start` was called.
  Result<> listen(const std::string& address);
  // What this node says of itself; changes once, when its cluster forms.
  void introduce(Hello self) { self_ = std::move(self); }
  // Asks who is at `address`; `greeted` is called once, within about a second.
  void greet(const std::string& address, Greeted greeted);

  void start(GroupId group, Deliver deliver, Gone gone);
  // Until this is called, connections that carry snapshots end.
  void receive_snapshots(TakeSnapshot take) { take_snapshot_ = std::move(take); }
  // Addresses that are reached by another one from here, say through a proxy: announced → dialled.
  void set_detours(std::map<std::string, std::string> detours) { detours_ = std::move(detours); }
  // Whom to send to, at the addresses that the list of members has for them. Whoever dials in and
  // gives another address, or is not in the list, is dialled where it says as long as it does: the
  // list may be older than it.
  void set_peers(std::vector<raft::Member> members);

  void send(std::vector<raft::Envelope> envelopes) override;
  std::string address_of(NodeId peer) const;      // where it is dialled; empty: it is not
  size_t links() const { return links_.size(); }  // to how many peers, connected or not

 private:
  class Link;      // to one peer
  class Incoming;  // from one peer

  void accept();
  void dial_all();

  boost::asio::io_context& loop_;
  Hello self_;
  Random random_;
  GroupId group_;
  Deliver deliver_;
  Gone gone_;
  TakeSnapshot take_snapshot_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::vector<raft::Member> members_;
  std::map<std::string, std::string> detours_;
  std::map<NodeId, std::unique_ptr<Link>> links_;
  std::map<uint64_t, std::unique_ptr<Incoming>> incoming_;
  uint64_t next_incoming_ = 1;
};

}  // namespace holdfast
