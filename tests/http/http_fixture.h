#pragma once

// A server of one io thread on 127.0.0.1 with handlers that tests hold and release, and a client
// on a raw socket that sends exactly the bytes it is given.

#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "server/http/connections.h"
#include "server/http/listener.h"

namespace holdfast {

// What the handlers of these tests share.
struct Services {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> story;  // "start x", "end x", in order
  std::map<std::string, std::coroutine_handle<>> held;
  std::atomic<size_t> pieces = 0;  // that streams were asked for

  void tell(const std::string& line);
};

}  // namespace holdfast

namespace holdfast::http {

class ManualClock final : public Clock {
 public:
  Instant now() const override { return Instant(Duration(now_.load())); }
  WallTime wall() const override { return WallTime(std::chrono::seconds(1'700'000'000)); }
  void advance(Duration time) { now_ += time.count(); }

 private:
  std::atomic<int64_t> now_ = 1'000'000'000;
};

struct Answer {
  int status = 0;
  std::string head;
  std::string body;
  std::string header(const std::string& name) const;  // "" if there is none
};

class Client {
 public:
  explicit Client(uint16_t port, int receive_buffer = 0);
  ~Client();
  Client(const Client&) = delete;

  void send(std::string_view bytes);
  bool try_send(std::string_view bytes);  // false: the connection is gone
  void end_sending();
  void reset();  // closes with RST
  // Waits for one answer; status 0: the connection ended first. For HEAD there is no body.
  Answer read(Method method = Method::kGet);
  std::string read_to_end();
  // Waits for so many bytes, or fewer at the end of the connection.
  std::string read_some(size_t bytes);
  bool was_reset() const { return was_reset_; }
  bool at_end();                            // waits; true: closed, and nothing more came
  bool has_bytes_within(int milliseconds);  // for proving that nothing comes
 private:
  bool fill();
  int socket_;
  bool was_reset_ = false;
  std::string received_;
};

// A chunked body, read to its end and put together; "" where its form is broken.
std::string read_chunks(Client& client);

class HttpTest : public testing::Test {
 protected:
  HttpTest();
  ~HttpTest() override;

  void start();  // after `limits` is set
  uint16_t port() const { return listener_->port(); }
  // Runs `act` on the io thread and waits for its end.
  void on_io_thread(const std::function<void()>& act);
  // The io thread has seen everything that was sent before. Its loop looks at the sockets between
  // any two calls, and works off what it saw before the next.
  void settle();
  void advance_and_sweep(Duration time);
  // Waits until the story has that line.
  bool told(const std::string& line);
  std::vector<std::string> story();
  void wait_until_held(const std::string& name);  // the handler of that name
  // Waits for that, and lets it go on.
  void release(const std::string& name);
  void wait_for_connections(size_t count);
  Connections& connections() { return *connections_; }

  Limits limits;
  ManualClock clock;
  Services services;

 private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<IoExecutor> work_{io_.get_executor()};
  Router router_;
  std::unique_ptr<Connections> connections_;
  std::unique_ptr<Listener> listener_;
  std::thread thread_;
};

// One request with Host and, where there is a body, Content-Length.
std::string request(std::string_view method, std::string_view target, std::string_view body = "",
                    std::string_view fields = "");

}  // namespace holdfast::http
