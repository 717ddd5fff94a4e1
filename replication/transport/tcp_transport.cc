#include "replication/transport/tcp_transport.h"

#include <algorithm>
#include <charconv>
#include <concepts>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include "storage/base/check.h"
#include "storage/base/log.h"

namespace holdfast {

namespace net = boost::asio;
using boost::system::error_code;
using net::ip::tcp;

namespace {

constexpr size_t kReadBytes = 256 << 10;
constexpr auto kGreetingPatience = std::chrono::milliseconds(1000);
constexpr Duration kRedialFirst = std::chrono::milliseconds(20);
// A connection that lasted so long was no mistake: when it ends, the next is tried at once.
constexpr auto kSettlesAfter = std::chrono::milliseconds(100);
constexpr Duration kRedialMax = std::chrono::milliseconds(500);

// Bytes that have come and are not a whole frame yet.
class Inbox {
 public:
  net::mutable_buffer space() {
    bytes_.resize(used_ + kReadBytes);
    return net::buffer(bytes_.data() + used_, kReadBytes);
  }
  void grow(size_t count) { used_ += count; }
  std::string_view view() const { return std::string_view(bytes_).substr(0, used_); }
  void drop(size_t count) {
    bytes_.erase(0, count);
    used_ -= count;
    // An idle connection holds no buffer of a busy hour.
    if (used_ == 0 && bytes_.capacity() > 4 * kReadBytes) bytes_ = {};
  }

 private:
  std::string bytes_;
  size_t used_ = 0;
};

// A handler that does nothing once `alive` has ended: operations in flight outlive the attempt or
// the connection that began them. Those of several steps look at their socket between two, so it
// stays until they are over; who ends before them closes it.
template <class Handler>
class Guarded {
 public:
  Guarded(std::weak_ptr<const int> alive, std::shared_ptr<tcp::socket> socket, Handler handler)
      : alive_(std::move(alive)), socket_(std::move(socket)), handler_(std::move(handler)) {}

  template <class... Results>
    requires std::invocable<Handler&, Results...>
  void operator()(Results&&... results) {
    if (!alive_.expired()) handler_(std::forward<Results>(results)...);
  }

 private:
  std::weak_ptr<const int> alive_;
  std::shared_ptr<tcp::socket> socket_;
  Handler handler_;
};

void close_socket(tcp::socket& socket) {
  error_code ignored;  // it is closed all the same
  socket.close(ignored);
}

void set_socket_options(tcp::socket& socket) {
  error_code ignored;  // an option that is refused costs speed only
  socket.set_option(tcp::no_delay(true), ignored);
}

}  // namespace

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
                fmt::format("'{}' is not HOST:PORT, as in 127.0.0.1:4654", text));
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

// The dialler's end. Greets, then sends; the other end says nothing after its greeting, so a read
// that ends means that the connection did.
class TcpTransport::Link {
 public:
  Link(TcpTransport& owner, std::string address, NodeId expected, Greeted greeted)
      : owner_(owner),
        address_(std::move(address)),
        expected_(expected),
        greeted_(std::move(greeted)),
        socket_(std::make_shared<tcp::socket>(owner.loop_)),
        resolver_(owner.loop_),
        timer_(owner.loop_) {
    dial();
  }

  ~Link() { close_socket(*socket_); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  const std::string& address() const { return address_; }

  std::string* queue() {
    if (!ready_ || waiting_.size() + writing_.size() > kQueueBytesMax) return nullptr;
    return &waiting_;
  }

  void flush() {
    if (!ready_ || waiting_.empty() || !writing_.empty()) return;
    std::swap(waiting_, writing_);
    net::async_write(*socket_, net::buffer(writing_), guarded([this](error_code code, size_t) {
      // An idle connection keeps no buffer of a busy hour.
      if (writing_.capacity() > 4 * kReadBytes) writing_ = {};
      writing_.clear();
      if (code) return lost(code.message());
      flush();
    }));
  }

 private:
  template <class Handler>
  Guarded<Handler> guarded(Handler handler) {
    return {attempt_, socket_, std::move(handler)};
  }

  // What was begun before is forgotten.
  void begin_attempt() {
    attempt_ = std::make_shared<const int>();
    close_socket(*socket_);
    socket_ = std::make_shared<tcp::socket>(owner_.loop_);
  }

  void dial() {
    begin_attempt();
    inbox_ = {};
    waiting_.clear();
    writing_.clear();
    timer_.expires_after(kGreetingPatience);
    timer_.async_wait(guarded([this](error_code code) {
      if (!code) lost("no answer in a second");
    }));
    const Result<HostPort> target = parse_host_port(address_);
    if (!target) return lost(target.error().message);
    resolver_.async_resolve(
        target->host, target->port,
        guarded([this](error_code code, const tcp::resolver::results_type& found) {
          if (code) return lost(code.message());
          connect(found);
        }));
  }

  void connect(const tcp::resolver::results_type& found) {
    net::async_connect(*socket_, found, guarded([this](error_code code, const tcp::endpoint&) {
      if (code == net::error::connection_refused) suspect();
      if (code) return lost(code.message());
      greet();
    }));
  }

  void greet() {
    set_socket_options(*socket_);
    encode_hello(owner_.self_, writing_);
    net::async_write(*socket_, net::buffer(writing_), guarded([this](error_code code, size_t) {
      if (code) return lost_to(code);
      writing_.clear();
      read();
    }));
  }

  void read() {
    socket_->async_read_some(inbox_.space(), guarded([this](error_code code, size_t count) {
                               if (code) return lost_to(code);
                               inbox_.grow(count);
                               take();
                             }));
  }

  void take() {
    std::string_view bytes = inbox_.view();
    if (ready_) return lost("it speaks out of turn");
    Result<std::optional<Hello>> hello = take_hello(bytes);
    if (!hello) return lost(hello.error().message);
    if (*hello) {
      inbox_.drop(inbox_.view().size() - bytes.size());
      if (greeted_) return finish(**std::move(hello));
      if (const std::string objection = object_to(**hello); !objection.empty())
        return lost(objection);
      ready_ = true;
      suspected_ = false;
      complained_ = false;
      timer_.expires_after(kSettlesAfter);
      timer_.async_wait(guarded([this](error_code code) {
        if (code) return;
        settled_ = true;
        redial_ = kRedialFirst;
      }));
      log_info("connected to {} at {}", (*hello)->name, address_);
    }
    read();
  }

  std::string object_to(const Hello& hello) const {
    if (hello.protocol != kPeerProtocol)
      return fmt::format("{} speaks peer protocol {}, this node {}", hello.name, hello.protocol,
                         kPeerProtocol);
    if (!hello.cluster) return fmt::format("{} has not entered the cluster yet", hello.name);
    if (hello.cluster != owner_.self_.cluster)
      return fmt::format("{} belongs to another cluster ({:016x}, this node's is {:016x})",
                         hello.name, hello.cluster.value, owner_.self_.cluster.value);
    if (hello.node != expected_)
      return fmt::format("{} there has the id {:016x}, the member has {:016x}", hello.name,
                         hello.node.value, expected_.value);
    return {};
  }

  void finish(Result<Hello> outcome) {
    begin_attempt();
    timer_.cancel();
    // The call may end this link.
    std::exchange(greeted_, nullptr)(std::move(outcome));
  }

  void lost_to(const error_code& code) {
    if (!ready_ && (code == net::error::eof || code == net::error::connection_reset)) suspect();
    lost(code.message());
  }

  // Once for each connection that is lost: what comes after it shows that nobody is there.
  void suspect() {
    if (!greeted_ && was_there_ && !std::exchange(suspected_, true) && owner_.gone_)
      owner_.gone_(expected_);
  }

  void lost(const std::string& why) {
    if (greeted_)
      return finish(fail(ErrorCode::kUnavailable, fmt::format("{}: {}", address_, why)));
    // One line for each loss, not one for each try.
    if (ready_ || !complained_) log_warning("no connection to {}: {}", address_, why);
    complained_ = true;
    was_there_ = was_there_ || ready_;
    ready_ = false;
    begin_attempt();
    // After a connection that lasted, at once: whether the peer is gone should be known now.
    const Duration pause = redial_ + owner_.random_.between(Duration(0), redial_);
    timer_.expires_after(std::exchange(settled_, false) ? Duration(0) : pause);
    redial_ = std::min(redial_ * 2, kRedialMax);
    timer_.async_wait(guarded([this](error_code code) {
      if (!code) dial();
    }));
  }

  TcpTransport& owner_;
  const std::string address_;
  const NodeId expected_;
  Greeted greeted_;
  std::shared_ptr<tcp::socket> socket_;
  tcp::resolver resolver_;
  net::steady_timer timer_;
  std::shared_ptr<const int> attempt_;
  bool ready_ = false;
  bool complained_ = false;
  bool settled_ = false;    // ready for kSettlesAfter
  bool was_there_ = false;  // it greeted as the peer, in this life of the link
  bool suspected_ = false;  // since the last connection
  Duration redial_ = kRedialFirst;
  Inbox inbox_;
  std::string waiting_;
  std::string writing_;
};

// The accepting end: answers the greeting, then only reads.
class TcpTransport::Incoming {
 public:
  Incoming(TcpTransport& owner, uint64_t id, tcp::socket socket)
      : owner_(owner),
        id_(id),
        socket_(std::make_shared<tcp::socket>(std::move(socket))),
        timer_(owner.loop_) {
    set_socket_options(*socket_);
    timer_.expires_after(kGreetingPatience);
    timer_.async_wait(guarded([this](error_code code) {
      if (!code && !peer_.node) close();
    }));
    read();
  }

  ~Incoming() { close_socket(*socket_); }
  Incoming(const Incoming&) = delete;
  Incoming& operator=(const Incoming&) = delete;

  const Hello& peer() const { return peer_; }  // no node: it has not said

 private:
  template <class Handler>
  Guarded<Handler> guarded(Handler handler) {
    return {alive_, socket_, std::move(handler)};
  }

  void close() {
    TcpTransport& owner = owner_;
    owner.incoming_.erase(id_);  // ends this
    owner.dial_all();
  }

  void read() {
    socket_->async_read_some(inbox_.space(), guarded([this](error_code code, size_t count) {
                               if (code) return close();
                               inbox_.grow(count);
                               std::string_view bytes = inbox_.view();
                               const Result<> taken = take(bytes);
                               if (!taken) {
                                 log_warning("connection from {} ended: {}",
                                             peer_.node ? peer_.name : "a stranger",
                                             taken.error().message);
                                 return close();
                               }
                               inbox_.drop(inbox_.view().size() - bytes.size());
                               if (!peer_.snapshot_term) read();
                             }));
  }

  Result<> take(std::string_view& bytes) {
    if (!peer_.node) {
      HOLDFAST_ASSIGN(const std::optional<Hello> hello, take_hello(bytes));
      if (!hello) return {};
      peer_ = *hello;
      if (peer_.snapshot_term) HOLDFAST_TRY(check_snapshot(bytes));
      owner_.dial_all();
      encode_hello(owner_.self_, answer_);
      net::async_write(*socket_, net::buffer(answer_), guarded([this](error_code code, size_t) {
        if (code) return close();
        if (peer_.snapshot_term) hand_over();
      }));
    }
    while (!bytes.empty()) {
      HOLDFAST_ASSIGN(std::optional<PeerMessage> message, take_message(bytes));
      if (!message) return {};
      if (!owner_.deliver_ || message->cluster != owner_.self_.cluster || !owner_.self_.cluster)
        return fail(ErrorCode::kInvalid, "its messages are for another cluster");
      if (message->group != owner_.group_ || message->envelope.to != owner_.self_.node ||
          message->envelope.from != peer_.node)
        return fail(ErrorCode::kInvalid, "its messages are for another node");
      owner_.deliver_(std::move(message->envelope));
    }
    return {};
  }

  Result<> check_snapshot(std::string_view rest) const {
    if (!owner_.take_snapshot_ || peer_.cluster != owner_.self_.cluster || !peer_.cluster)
      return fail(ErrorCode::kInvalid, "its snapshot is for another cluster");
    if (!peer_.node || peer_.node == owner_.self_.node)
      return fail(ErrorCode::kInvalid, "its snapshot is from no other node");
    if (!rest.empty()) return fail(ErrorCode::kInvalid, "it speaks before it was greeted");
    return {};
  }

  void hand_over() {
    error_code code;
    Descriptor connection(socket_->release(code));
    if (code) {
      log_warning("connection from {} ended: {}", peer_.name, code.message());
    } else {
      owner_.take_snapshot_(std::move(connection), peer_);
    }
    close();
  }

  TcpTransport& owner_;
  const uint64_t id_;
  std::shared_ptr<tcp::socket> socket_;
  net::steady_timer timer_;
  std::shared_ptr<const int> alive_ = std::make_shared<const int>();
  Hello peer_;
  std::string answer_;
  Inbox inbox_;
};

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
    return fail(ErrorCode::kIo,
                fmt::format("cannot listen for peers on {}: {}", address, code.message()));
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
