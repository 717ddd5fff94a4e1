#include "replication/transport/tcp_transport.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "replication/transport/tcp_incoming.h"
#include "replication/transport/tcp_link.h"

namespace holdfast {

namespace net = boost::asio;
using boost::system::error_code;
using net::ip::tcp;

Result<HostPort> parse_host_port(std::string_view text) {
  const size_t colon = text.rfind(':');
  unsigned port = 0;
  if (colon != std::string_view::npos) {
    const std::string_view digits = text.substr(colon + 1);
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (code != std::errc() || end != digits.data() + digits.size()) port = 0;
  }
  std::string_view host = text.substr(0, colon == std::string_view::npos ? 0 : colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty() || port == 0 || port > 65535)
    return fail(ErrorCode::kInvalid,
                fmt::format("'{}' is not HOST:PORT, with a port from 1 to 65535", text));
  return HostPort{std::string(host), std::to_string(port)};
}

Result<> check_peer_address(std::string_view text) {
  HOLDFAST_ASSIGN(const HostPort address, parse_host_port(text));
  error_code code;
  const net::ip::address literal = net::ip::make_address(address.host, code);
  if (!code && literal.is_unspecified())
    return fail(ErrorCode::kInvalid,
                fmt::format("{} is where a node listens, not where others reach it", text));
  return {};
}

TcpTransport::TcpTransport(net::io_context& loop, Hello self, Random random)
    : loop_(loop), self_(std::move(self)), random_(random), acceptor_(loop) {}

TcpTransport::~TcpTransport() = default;

Result<> TcpTransport::listen(const std::string& address) {
  HOLDFAST_ASSIGN(const HostPort target, parse_host_port(address));
  error_code code;
  tcp::resolver resolver(loop_);
  const auto found = resolver.resolve(target.host, target.port, tcp::resolver::passive, code);
  if (code) return fail(ErrorCode::kInvalid, fmt::format("{}: {}", address, code.message()));
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), code);
  if (!code) acceptor_.set_option(tcp::acceptor::reuse_address(true), code);
  if (!code) acceptor_.bind(endpoint, code);
  if (!code) acceptor_.listen(net::socket_base::max_listen_connections, code);
  if (code)
    return fail(
        ErrorCode::kIo,
        fmt::format("cannot listen for peers on {}: {}; is another node running there? Stop "
                    "it, or give --peer-listen another address",
                    address, code.message()));
  accept();
  return {};
}

void TcpTransport::accept() {
  acceptor_.async_accept([this](error_code code, tcp::socket socket) {
    if (code == net::error::operation_aborted) return;
    if (!code && incoming_.size() < kConnectionsMax) {
      const uint64_t id = next_incoming_++;
      incoming_.emplace(id, std::make_unique<Incoming>(*this, id, std::move(socket)));
    }
    accept();
  });
}

void TcpTransport::greet(const std::string& address, Greeted greeted) {
  // The link lives until it has called back, and ends on the turn after that.
  auto link = std::make_shared<std::unique_ptr<Link>>();
  *link = std::make_unique<Link>(*this, address, NodeId{},
                                 [this, link, greeted = std::move(greeted)](Result<Hello> outcome) {
                                   net::post(loop_, [link] { link->reset(); });
                                   greeted(std::move(outcome));
                                 });
}

void TcpTransport::start(GroupId group, Deliver deliver, Gone gone) {
  group_ = group;
  gone_ = std::move(gone);
  deliver_ = std::move(deliver);
}

void TcpTransport::set_peers(std::vector<raft::Member> members) {
  members_ = std::move(members);
  dial_all();
}

void TcpTransport::dial_all() {
  if (!self_.cluster || !deliver_) return;
  std::map<NodeId, std::string> wanted;
  for (const auto& [id, incoming] : incoming_) {
    const Hello& peer = incoming->peer();
    if (peer.node && peer.cluster == self_.cluster && check_peer_address(peer.peer_address))
      wanted[peer.node] = peer.peer_address;
  }
  for (const raft::Member& member : members_) wanted.try_emplace(member.id, member.peer_address);
  for (auto& [id, address] : wanted)
    if (const auto detour = detours_.find(address); detour != detours_.end())
      address = detour->second;
  wanted.erase(self_.node);
  std::erase_if(links_, [&](const auto& item) {
    const auto place = wanted.find(item.first);
    return place == wanted.end() || place->second != item.second->address();
  });
  for (const auto& [id, address] : wanted)
    if (!links_.contains(id)) links_[id] = std::make_unique<Link>(*this, address, id, nullptr);
}

std::string TcpTransport::address_of(NodeId peer) const {
  const auto found = links_.find(peer);
  return found == links_.end() ? std::string() : found->second->address();
}

void TcpTransport::send(std::vector<raft::Envelope> envelopes) {
  for (raft::Envelope& envelope : envelopes) {
    const auto link = links_.find(envelope.to);
    if (link == links_.end()) continue;
    if (std::string* queue = link->second->queue())
      encode_message({self_.cluster, group_, std::move(envelope)}, *queue);
  }
  for (auto& [id, link] : links_) link->flush();
}

}  // namespace holdfast
