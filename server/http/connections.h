#pragma once

// All connections of one io thread, and what they share there: the scratch buffer that every read
// goes through (so an idle connection holds none), the Date line, the bounds of the thread.
// Everything runs on that io thread but what is marked otherwise.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "server/http/body_stream.h"
#include "server/http/limits.h"
#include "server/http/pipeline.h"
#include "server/http/router.h"
#include "server/http/task.h"
#include "storage/base/clock.h"

namespace holdfast::http {

using IoExecutor = boost::asio::io_context::executor_type;
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, IoExecutor>;
using Timer = boost::asio::basic_waitable_timer<
    std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, IoExecutor>;

class Session;

// Names a connection also after it is gone: what comes late for it finds nothing.
struct ConnectionId {
  uint32_t place;
  uint32_t generation;
};

class Connections {
 public:
  // `io`, `router`, `services`, `limits` and `clock` outlive the connections.
  Connections(boost::asio::io_context& io, const Router& router, Services& services,
              const Limits& limits, const Clock& clock);
  // The io thread has ended, and no handler runs: whoever answers them has answered all.
  ~Connections();
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;

  // Any thread: hands over a socket that was made on `io`.
  void add(Socket socket);
  // Any thread: how many are open, with those just handed over.
  size_t size() const { return count_.load(std::memory_order_relaxed); }
  boost::asio::io_context& io() { return io_; }

  // Closes what is over its time. `start_sweeping` does so every second.
  void sweep(Instant now);
  void start_sweeping();
  // Answers what was taken, says in the last answer that the connection closes, and reads no more.
  void drain();
  // Closes every connection at once, and stops sweeping.
  void close_all();
  size_t handlers_running() const { return handlers_running_; }

 private:
  friend class Session;

  enum class Readiness : uint8_t { kInput, kOutput };
  // What the socket calls: finds the session again, if it still is there.
  struct Woken {
    Connections* connections;
    ConnectionId id;
    Readiness readiness;
    void operator()(const boost::system::error_code& error) const;
  };
  struct Place {
    std::unique_ptr<Session> session;
    uint32_t generation = 0;
  };

  void take_in(Socket socket);
  Session* find(ConnectionId id);
  const Session* find(ConnectionId id) const;
  static bool has_gone(const void* connections, uint64_t id);
  void flush();
  void write_date();
  void sweep_later();

  // For sessions.
  void start(ConnectionId id, Pipeline::Start start);
  Detached run(ConnectionId id, Pipeline::Ticket ticket, Task<Response> handler);
  // Says when a body has a next piece, and brings it.
  Detached await_piece(ConnectionId id, std::shared_ptr<BodyStream> stream);
  Detached pull(ConnectionId id, std::shared_ptr<BodyStream> stream);
  void flush_soon(ConnectionId id);
  void forget(ConnectionId id);

  boost::asio::io_context& io_;
  const Router& router_;
  Services& services_;
  const Limits& limits_;
  const Clock& clock_;
  Timer timer_;

  std::vector<Place> places_;
  std::vector<uint32_t> free_;
  std::atomic<size_t> count_ = 0;
  size_t handlers_running_ = 0;
  size_t request_bytes_ = 0;  // bodies of requests not answered, of all connections
  size_t answer_bytes_ = 0;   // answers not sent, of all connections, and pieces on their way

  std::vector<ConnectionId> to_flush_;
  std::vector<ConnectionId> to_forget_;
  bool flush_posted_ = false;
  bool draining_ = false;
  Instant now_;       // of the newest event
  std::string date_;  // a whole `Date: …\r\n` line, of the newest sweep
  std::array<char, size_t{64} << 10> scratch_{};
};

}  // namespace holdfast::http
