#include "replication/transport/tcp_link.h"

#include <algorithm>

#include <boost/asio/connect.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

#include "storage/base/log.h"

namespace holdfast {

namespace net = boost::asio;
using boost::system::error_code;
using net::ip::tcp;

namespace {

// A connection that lasted so long was no mistake: when it ends, the next is tried at once.
constexpr auto kSettlesAfter = std::chrono::milliseconds(100);
constexpr Duration kRedialMax = std::chrono::milliseconds(500);

}  // namespace

TcpTransport::Link::Link(TcpTransport& owner, std::string address, NodeId expected, Greeted greeted)
    : owner_(owner),
      address_(std::move(address)),
      expected_(expected),
      greeted_(std::move(greeted)),
      socket_(std::make_shared<tcp::socket>(owner.loop_)),
      resolver_(owner.loop_),
      timer_(owner.loop_) {
  dial();
}

std::string* TcpTransport::Link::queue() {
  if (!ready_ || waiting_.size() + writing_.size() > kQueueBytesMax) return nullptr;
  return &waiting_;
}

void TcpTransport::Link::flush() {
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

// What was begun before is forgotten.
void TcpTransport::Link::begin_attempt() {
  attempt_ = std::make_shared<const int>();
  close_socket(*socket_);
  socket_ = std::make_shared<tcp::socket>(owner_.loop_);
}

void TcpTransport::Link::dial() {
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

void TcpTransport::Link::connect(const tcp::resolver::results_type& found) {
  net::async_connect(*socket_, found, guarded([this](error_code code, const tcp::endpoint&) {
    if (code == net::error::connection_refused) suspect();
    if (code) return lost(code.message());
    greet();
  }));
}

void TcpTransport::Link::greet() {
  set_socket_options(*socket_);
  encode_hello(owner_.self_, writing_);
  net::async_write(*socket_, net::buffer(writing_), guarded([this](error_code code, size_t) {
    if (code) return lost_to(code);
    writing_.clear();
    read();
  }));
}

void TcpTransport::Link::read() {
  socket_->async_read_some(inbox_.space(), guarded([this](error_code code, size_t count) {
                             if (code) return lost_to(code);
                             inbox_.grow(count);
                             take();
                           }));
}

void TcpTransport::Link::take() {
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

std::string TcpTransport::Link::object_to(const Hello& hello) const {
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

void TcpTransport::Link::finish(Result<Hello> outcome) {
  begin_attempt();
  timer_.cancel();
  // The call may end this link.
  std::exchange(greeted_, nullptr)(std::move(outcome));
}

void TcpTransport::Link::lost_to(const error_code& code) {
  if (!ready_ && (code == net::error::eof || code == net::error::connection_reset)) suspect();
  lost(code.message());
}

// Once for each connection that is lost: what comes after it shows that nobody is there.
void TcpTransport::Link::suspect() {
  if (!greeted_ && was_there_ && !std::exchange(suspected_, true) && owner_.gone_)
    owner_.gone_(expected_);
}

void TcpTransport::Link::lost(const std::string& why) {
  if (greeted_) return finish(fail(ErrorCode::kUnavailable, fmt::format("{}: {}", address_, why)));
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

}  // namespace holdfast
