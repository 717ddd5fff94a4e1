#include "bench/drill/proxy.h"

#include <algorithm>
#include <array>
#include <deque>
#include <future>
#include <string>
#include <thread>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

#include "storage/base/random.h"

namespace holdfast::drill {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kPieceBytes = 64 * 1024;
constexpr size_t kHeldBytesMax = 1024 * 1024;  // of one direction; then its source is not read
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr Duration kLongest = std::chrono::hours(24);

// Something that coroutines wait for: `wake` lets all of them look again.
class Bell {
 public:
  explicit Bell(asio::io_context& io) : timer_(io) { timer_.expires_after(kLongest); }
  void wake() { timer_.expires_after(kLongest); }  // ends what waits
  asio::steady_timer& timer() { return timer_; }

 private:
  asio::steady_timer timer_;
};

struct LinkState {
  LinkState(asio::io_context& io, uint16_t target)
      : acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
        target_port(target),
        changed(io) {}

  tcp::acceptor acceptor;
  uint16_t target_port;
  LinkRule rule;
  uint64_t rules = 0;  // how often it was set
  Bell changed;
};

struct Piece {
  Instant due;
  uint64_t rules;  // when it came; an older rule holds nothing back any more
  std::string bytes;
};

struct Flow {
  explicit Flow(asio::io_context& io) : moved(io) {}

  std::deque<Piece> pieces;
  size_t held = 0;
  bool has_ended = false;
  Bell moved;
};

enum class Direction { kSaid, kAnswered };  // by who dialled, and to them

// Ended when both its sockets are closed; each coroutine holds it until it is done.
struct Connection {
  Connection(asio::io_context& io, tcp::socket from)
      : dialler(std::move(from)), target(io), said(io), answered(io) {}

  void close() {
    error_code ignored;
    dialler.close(ignored);
    target.close(ignored);
    said.has_ended = answered.has_ended = true;
    said.moved.wake();
    answered.moved.wake();
  }

  tcp::socket& source(Direction direction) {
    return direction == Direction::kSaid ? dialler : target;
  }
  Flow& flow(Direction direction) { return direction == Direction::kSaid ? said : answered; }

  tcp::socket dialler;
  tcp::socket target;
  Flow said;
  Flow answered;
};

// On the loop's thread: the only one that touches links and connections.
class Carrier {
 public:
  Carrier(asio::io_context& io, Random random) : io_(io), random_(random) {}

  LinkState& add(uint16_t target_port) {
    links_.push_back(std::make_unique<LinkState>(io_, target_port));
    LinkState& link = *links_.back();
    asio::co_spawn(io_, serve(link), asio::detached);
    return link;
  }

  void set(size_t link, const LinkRule& rule) {
    links_[link]->rule = rule;
    ++links_[link]->rules;
    links_[link]->changed.wake();
    for (const std::weak_ptr<Connection>& one : connections_) {
      const std::shared_ptr<Connection> connection = one.lock();
      if (!connection) continue;
      connection->said.moved.wake();
      connection->answered.moved.wake();
    }
  }

 private:
  asio::awaitable<void> serve(LinkState& link) {
    while (true) {
      auto [error, socket] = co_await link.acceptor.async_accept(kTuple);
      if (error == asio::error::operation_aborted || !link.acceptor.is_open()) co_return;
      if (error) continue;
      auto connection = std::make_shared<Connection>(io_, std::move(socket));
      std::erase_if(connections_, [](const auto& one) { return one.expired(); });
      connections_.push_back(connection);
      asio::co_spawn(io_, carry(link, connection), asio::detached);
    }
  }

  static asio::awaitable<void> until_open(LinkState& link) {
    while (link.rule.is_cut && link.acceptor.is_open())
      co_await link.changed.timer().async_wait(kTuple);
  }

  asio::awaitable<void> carry(LinkState& link, std::shared_ptr<Connection> connection) {
    co_await until_open(link);
    const tcp::endpoint target(asio::ip::address_v4::loopback(), link.target_port);
    auto [error] = co_await connection->target.async_connect(target, kTuple);
    if (error) {
      // As the host itself would answer where nobody listens.
      error_code ignored;
      connection->dialler.set_option(asio::socket_base::linger(true, 0), ignored);
      connection->close();
      co_return;
    }
    error_code ignored;
    connection->dialler.set_option(tcp::no_delay(true), ignored);
    connection->target.set_option(tcp::no_delay(true), ignored);
    for (const Direction direction : {Direction::kSaid, Direction::kAnswered}) {
      asio::co_spawn(io_, read(link, connection, direction), asio::detached);
      asio::co_spawn(io_, write(link, connection, direction), asio::detached);
    }
  }

  asio::awaitable<void> read(LinkState& link, std::shared_ptr<Connection> connection,
                             Direction direction) {
    tcp::socket& source = connection->source(direction);
    Flow& flow = connection->flow(direction);
    std::array<char, kPieceBytes> space;
    while (!flow.has_ended) {
      co_await until_open(link);
      while (flow.held >= kHeldBytesMax && !flow.has_ended)
        co_await flow.moved.timer().async_wait(kTuple);
      auto [error, size] = co_await source.async_read_some(asio::buffer(space), kTuple);
      if (error) break;
      flow.held += size;
      flow.pieces.push_back({due(link, flow), link.rules, std::string(space.data(), size)});
      flow.moved.wake();
    }
    flow.has_ended = true;
    flow.moved.wake();
  }

  Instant due(const LinkState& link, const Flow& flow) {
    Instant due = clock_.now() + link.rule.delay;
    if (link.rule.jitter > Duration::zero())
      due += random_.between(Duration::zero(), link.rule.jitter);
    if (link.rule.stall_chance > 0 && random_.chance(link.rule.stall_chance))
      due += link.rule.stall;
    return flow.pieces.empty() ? due : std::max(due, flow.pieces.back().due);
  }

  asio::awaitable<void> write(LinkState& link, std::shared_ptr<Connection> connection,
                              Direction direction) {
    // Where the other direction's source is, this one ends.
    const Direction other = direction == Direction::kSaid ? Direction::kAnswered : Direction::kSaid;
    tcp::socket& sink = connection->source(other);
    Flow& flow = connection->flow(direction);
    asio::steady_timer pause(io_);
    while (true) {
      if (flow.pieces.empty()) {
        if (flow.has_ended) break;
        co_await flow.moved.timer().async_wait(kTuple);
        continue;
      }
      co_await until_open(link);
      if (!sink.is_open()) break;
      const Piece& first = flow.pieces.front();
      if (first.rules == link.rules && first.due > clock_.now()) {
        // Short steps: a new rule lets go what this one holds.
        const Duration step = std::chrono::milliseconds(5);
        pause.expires_after(std::min<Duration>(step, first.due - clock_.now()));
        co_await pause.async_wait(kTuple);
        continue;
      }
      const std::string bytes = std::move(flow.pieces.front().bytes);
      flow.pieces.pop_front();
      auto [error, size] = co_await asio::async_write(sink, asio::buffer(bytes), kTuple);
      flow.held -= bytes.size();
      flow.moved.wake();
      if (error) break;
    }
    connection->close();
  }

  asio::io_context& io_;
  Random random_;
  const SystemClock clock_;
  std::vector<std::unique_ptr<LinkState>> links_;
  std::vector<std::weak_ptr<Connection>> connections_;
};

}  // namespace

struct Proxy::Loop {
  explicit Loop(uint64_t seed) : carrier(io, Random(seed)), work(io.get_executor()) {}

  asio::io_context io{1};
  Carrier carrier;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::vector<uint16_t> ports;
  std::thread thread;
};

Proxy::Proxy(uint64_t seed) : loop_(std::make_unique<Loop>(seed)) {
  loop_->thread = std::thread([loop = loop_.get()] { loop->io.run(); });
}

Proxy::~Proxy() {
  loop_->io.stop();
  loop_->thread.join();
}

Result<Proxy::Link> Proxy::add(uint16_t target_port) {
  std::promise<Result<uint16_t>> made;
  asio::post(loop_->io, [&] {
    try {
      made.set_value(loop_->carrier.add(target_port).acceptor.local_endpoint().port());
    } catch (const boost::system::system_error& error) {
      made.set_value(fail(ErrorCode::kIo, fmt::format("no port to listen at: {}", error.what())));
    }
  });
  HOLDFAST_ASSIGN(const uint16_t port, made.get_future().get());
  loop_->ports.push_back(port);
  return loop_->ports.size() - 1;
}

uint16_t Proxy::port(Link link) const {
  return loop_->ports[link];
}

void Proxy::set(const std::vector<Link>& links, const LinkRule& rule) {
  std::promise<void> done;
  asio::post(loop_->io, [&] {
    for (const Link link : links) loop_->carrier.set(link, rule);
    done.set_value();
  });
  done.get_future().get();
}

}  // namespace holdfast::drill
