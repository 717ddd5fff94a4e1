// What the HTTP path costs by itself: requests over loopback to a handler that does nothing. The
// server has one io thread; the client is one thread that drives all connections and reads as
// little as it can, so that on few cores the server gets most of what there is.
//
// items_per_second is of wall time; `server_us` is the io thread's own CPU time for one request.

#include <arpa/inet.h>
#include <cstring>
#include <ctime>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <benchmark/benchmark.h>
#include <boost/asio/post.hpp>

#include "server/http/connections.h"
#include "server/http/listener.h"
#include "storage/base/check.h"

namespace holdfast {

struct Services {};

namespace http {
namespace {

Task<Response> read_value(Services&, Request) {
  Response response(200, "application/octet-stream", std::string(100, 'v'));
  response.add_header("ETag", "\"12345\"");
  response.add_header("Holdfast-Node", "n1");
  response.add_header("Holdfast-Revision", "12345");
  response.add_header("Holdfast-Term", "3");
  co_return response;
}

Task<Response> write_value(Services&, Request request) {
  benchmark::DoNotOptimize(request.body.data());
  Response response(200, "application/json", "{\"revision\":12345,\"created\":false}\n");
  response.add_header("ETag", "\"12345\"");
  response.add_header("Holdfast-Node", "n1");
  response.add_header("Holdfast-Revision", "12345");
  response.add_header("Holdfast-Term", "3");
  co_return response;
}

double cpu_seconds(pthread_t thread) {
  clockid_t clock = 0;
  CHECK(pthread_getcpuclockid(thread, &clock) == 0);
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

class Server {
 public:
  Server() : connections_(io_, router_, services_, limits_, clock_) {
    router_.add(Method::kGet, "/v1/kv/{key}", Access::kRead, read_value);
    router_.add(Method::kPut, "/v1/kv/{key}", Access::kWrite, write_value);
    auto listener = Listener::open(io_, "127.0.0.1", 0, {&connections_}, limits_);
    CHECK(listener, "{}", listener.error().message);
    listener_ = std::move(*listener);
    listener_->start();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Server() {
    boost::asio::post(io_, [this] {
      listener_->stop();
      connections_.close_all();
      io_.stop();
    });
    thread_.join();
  }
  uint16_t port() const { return listener_->port(); }
  double cpu() { return cpu_seconds(thread_.native_handle()); }

 private:
  boost::asio::io_context io_{1};
  Router router_;
  Services services_;
  Limits limits_;
  SystemClock clock_;
  Connections connections_;
  std::unique_ptr<Listener> listener_;
  std::thread thread_;
};

class Load {
 public:
  Load(uint16_t port, size_t connections, size_t depth, const std::string& request) {
    for (size_t i = 0; i < depth; ++i) batch_ += request;
    for (size_t i = 0; i < connections; ++i) {
      const int fd = socket(AF_INET, SOCK_STREAM, 0);
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(port);
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      CHECK(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
      sockets_.push_back({fd, POLLIN, 0});
    }
    // All answers are equally long: the first one tells how many bytes a batch brings.
    send_batch(sockets_[0].fd);
    char buffer[65536];
    ssize_t size = 0;
    while (answers_in(std::string_view(buffer, static_cast<size_t>(size))) < depth) {
      size += recv(sockets_[0].fd, buffer + size, sizeof buffer - static_cast<size_t>(size), 0);
    }
    batch_answer_bytes_ = static_cast<size_t>(size);
    missing_.assign(connections, batch_answer_bytes_);
    for (const pollfd& each : sockets_) send_batch(each.fd);
  }
  ~Load() {
    for (const pollfd& each : sockets_) close(each.fd);
  }

  // Waits for some answers; gives back how many batches ended and were followed by new ones.
  size_t turn() {
    CHECK(poll(sockets_.data(), sockets_.size(), 5000) > 0);
    size_t ended = 0;
    for (size_t i = 0; i < sockets_.size(); ++i) {
      if (sockets_[i].revents == 0) continue;
      char buffer[65536];
      const ssize_t size = recv(sockets_[i].fd, buffer, sizeof buffer, 0);
      CHECK(size > 0 && static_cast<size_t>(size) <= missing_[i]);
      missing_[i] -= static_cast<size_t>(size);
      if (missing_[i] > 0) continue;
      missing_[i] = batch_answer_bytes_;
      ++ended;
      send_batch(sockets_[i].fd);
    }
    return ended;
  }

 private:
  static size_t answers_in(std::string_view bytes) {
    size_t count = 0;
    for (size_t at = bytes.find("HTTP/1.1 200"); at != std::string_view::npos;
         at = bytes.find("HTTP/1.1 200", at + 1)) {
      ++count;
    }
    return count;
  }
  void send_batch(int fd) {
    CHECK(send(fd, batch_.data(), batch_.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(batch_.size()));
  }

  std::string batch_;
  size_t batch_answer_bytes_ = 0;
  std::vector<pollfd> sockets_;
  std::vector<size_t> missing_;
};

void run(benchmark::State& state, const std::string& request) {
  const auto connections = static_cast<size_t>(state.range(0));
  const auto depth = static_cast<size_t>(state.range(1));
  Server server;
  Load load(server.port(), connections, depth, request);
  size_t requests = 0;
  const double before = server.cpu();
  for (auto _ : state) requests += load.turn() * depth;
  const double used = server.cpu() - before;
  state.SetItemsProcessed(static_cast<int64_t>(requests));
  state.counters["server_us"] = used * 1e6 / static_cast<double>(requests);
}

const std::string kFields =
    "Host: 127.0.0.1:4653\r\nUser-Agent: holdfast-bench/1\r\nAccept: */*\r\n";

void get(benchmark::State& state) {
  run(state, "GET /v1/kv/bench/key-000001 HTTP/1.1\r\n" + kFields + "\r\n");
}
void put(benchmark::State& state) {
  run(state, "PUT /v1/kv/bench/key-000001 HTTP/1.1\r\n" + kFields +
                 "Content-Type: application/octet-stream\r\nContent-Length: 100\r\n\r\n" +
                 std::string(100, 'v'));
}

BENCHMARK(get)
    ->Args({1, 1})
    ->Args({64, 1})
    ->Args({256, 1})
    ->Args({1, 16})
    ->Args({64, 16})
    ->UseRealTime()
    ->MinTime(2.0);
BENCHMARK(put)
    ->Args({1, 1})
    ->Args({64, 1})
    ->Args({256, 1})
    ->Args({1, 16})
    ->Args({64, 16})
    ->UseRealTime()
    ->MinTime(2.0);

}  // namespace
}  // namespace http
}  // namespace holdfast

BENCHMARK_MAIN();
