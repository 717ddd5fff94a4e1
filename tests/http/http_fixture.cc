#include "tests/http/http_fixture.h"

#include <algorithm>
#include <functional>
#include <future>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "server/http/body_stream.h"
#include "server/http/conversation.h"
#include "server/http/frames.h"
#include "server/http/handshake.h"
#include "server/http/request_body.h"
#include "storage/base/check.h"
#include "storage/base/clock.h"

namespace holdfast {

void Services::tell(const std::string& line) {
  const std::lock_guard lock(mutex);
  story.push_back(line);
  changed.notify_all();
}

}  // namespace holdfast

namespace holdfast::http {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);

struct Hold {
  Services& services;
  std::string name;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    const std::lock_guard lock(services.mutex);
    services.held[name] = handle;
    services.changed.notify_all();
  }
  void await_resume() const {}
};

Task<Response> echo(Services& services, Request request) {
  services.tell("echo " + request.parameter);
  Response response(
      200, "text/plain",
      fmt::format("{} {} {}", name_of(request.method()), request.parameter, request.body));
  response.add_header("X-Query", request.query());
  co_return response;
}

Task<Response> held(Services& services, Request request) {
  services.tell("start " + request.parameter);
  Hold hold{services, request.parameter};
  co_await hold;
  if (request.caller.has_gone()) services.tell("gone " + request.parameter);
  services.tell("end " + request.parameter);
  co_return Response(200, "text/plain", request.parameter);
}

Task<Response> big(Services&, Request request) {
  co_return Response(200, "text/plain", std::string(std::stoul(request.parameter), 'b'));
}

Task<Response> thrown(Services&, Request) {
  throw std::runtime_error("the handler's own fault");
  co_return Response();
}

// /stream/COUNTxSIZE: so many pieces of that many bytes; with a '!' behind it, then an error; with
// @BYTES behind it, the client must take so many in time.
class Pieces final : public BodyStream {
 public:
  Pieces(Services& services, const std::string& order)
      : services_(services),
        count_(std::stoul(order)),
        size_(std::stoul(order.substr(order.find('x') + 1))),
        progress_(order.contains('@') ? std::stoul(order.substr(order.find('@') + 1)) : 0),
        fails_(order.ends_with('!')) {}
  ~Pieces() override { services_.tell("stream gone"); }

  Task<Result<std::string>> next() override {
    ++services_.pieces;
    if (made_ == count_ && fails_) co_return fail(ErrorCode::kIo, "the stream's own fault");
    if (made_ == count_) co_return "";
    co_return std::string(size_, static_cast<char>('a' + made_++ % 26));
  }
  size_t progress_bytes() const override { return progress_; }

 private:
  Services& services_;
  const size_t count_;
  const size_t size_;
  const size_t progress_;
  const bool fails_;
  size_t made_ = 0;
};

Task<Response> streamed(Services& services, Request request) {
  services.tell("stream " + request.parameter);
  Response response(200, "text/plain", "first ");
  response.stream = std::make_shared<Pieces>(services, request.parameter);
  co_return response;
}

// Its one piece comes when the test releases it.
class HeldPiece final : public BodyStream {
 public:
  HeldPiece(Services& services, std::string name) : services_(services), name_(std::move(name)) {}
  ~HeldPiece() override { services_.tell("stream gone"); }

  Task<Result<std::string>> next() override {
    if (std::exchange(given_, true)) co_return "";
    Hold hold{services_, name_};
    co_await hold;
    co_return name_;
  }

 private:
  Services& services_;
  const std::string name_;
  bool given_ = false;
};

Task<Response> held_stream(Services& services, Request request) {
  Response response(200, "text/plain", "");
  response.stream = std::make_shared<HeldPiece>(services, request.parameter);
  co_return response;
}

// Has a piece whenever the test releases it, without end.
class Endless final : public BodyStream {
 public:
  Endless(Services& services, std::string name) : services_(services), name_(std::move(name)) {}
  ~Endless() override { services_.tell("stream gone"); }

  bool is_endless() const override { return true; }
  Task<bool> ready() override {
    Hold hold{services_, name_};
    co_await hold;
    co_return true;
  }
  Task<Result<std::string>> next() override {
    ++services_.pieces;
    co_return name_;
  }

 private:
  Services& services_;
  const std::string name_;
};

Task<Response> endless_stream(Services& services, Request request) {
  Response response(200, "text/plain", "first ");
  response.stream = std::make_shared<Endless>(services, request.parameter);
  co_return response;
}

// Says "echo MESSAGE" to each message; to "stop" nothing, and takes no more until the test releases
// "stop"; to "big BYTES" so many; "fail" is an error.
class Talk final : public Conversation, public std::enable_shared_from_this<Talk> {
 public:
  explicit Talk(Services& services) : services_(services) {}

  bool is_endless() const override { return true; }
  bool is_full() const override { return full_ || said_.size() > 1'000'000; }
  Task<bool> ready() override {
    Waiting waiting{*this};
    co_await waiting;
    co_return !over_;
  }
  Task<Result<std::string>> next() override {
    ++services_.pieces;
    if (fails_) co_return fail(ErrorCode::kIo, "the conversation's own fault");
    co_return std::exchange(said_, {});
  }
  void hear(std::string message) override {
    services_.tell("heard " + message);
    if (message == "stop") {
      full_ = true;
      go_on_when_released(shared_from_this());
      return;
    }
    fails_ = message == "fail";
    append_text_frame(said_, message.starts_with("big ")
                                 ? std::string(std::stoul(message.substr(4)), 'b')
                                 : "echo " + message);
    wake();
  }
  void hang_up() override {
    services_.tell("hung up");
    over_ = true;
    wake();
  }

 private:
  struct Waiting {
    Talk& talk;
    bool await_ready() const { return talk.over_ || !talk.said_.empty(); }
    void await_suspend(std::coroutine_handle<> waiter) const { talk.waiter_ = waiter; }
    void await_resume() const {}
  };
  static Detached go_on_when_released(std::shared_ptr<Talk> self) {
    Hold hold{self->services_, "stop"};
    co_await hold;
    self->full_ = false;
    append_text_frame(self->said_, "on");
    self->wake();
  }
  void wake() {
    if (waiter_) std::exchange(waiter_, {}).resume();
  }

  Services& services_;
  std::string said_;
  bool full_ = false;
  bool fails_ = false;
  bool over_ = false;
  std::coroutine_handle<> waiter_;
};

// /talk/NAME; "held" is answered when the test releases it.
Task<Response> talk(Services& services, Request request) {
  services.tell("talk " + request.parameter);
  if (request.parameter == "held") {
    Hold hold{services, request.parameter};
    co_await hold;
  }
  Response response = shake_hands(request);
  if (response.status == 101) response.conversation = std::make_shared<Talk>(services);
  co_return response;
}

// POST /mirror/NAME: gives back the body while it comes. With a name, each piece waits for the
// test's release. What went wrong with the body stands at the end.
class Mirror final : public BodyStream {
 public:
  Mirror(Services& services, std::shared_ptr<RequestBody> body, std::string name)
      : services_(services), body_(std::move(body)), name_(std::move(name)) {}
  ~Mirror() override { services_.tell("mirror gone"); }

  Task<bool> ready() override {
    if (name_ != "free") {
      Hold hold{services_, name_};
      co_await hold;
    }
    RequestBody::Waiting more = body_->wait();
    co_await more;
    co_return true;
  }
  Task<Result<std::string>> next() override {
    std::string piece = body_->take();
    if (piece.empty() && body_->failure() != nullptr && !std::exchange(told_, true))
      piece = "[" + body_->failure()->detail + "]";
    services_.pieces += piece.size();
    co_return piece;
  }

 private:
  Services& services_;
  const std::shared_ptr<RequestBody> body_;
  const std::string name_;
  bool told_ = false;
};

Task<Response> mirror(Services& services, Request request) {
  services.tell("mirror " + request.parameter);
  if (request.parameter == "refused later") {
    Hold hold{services, request.parameter};
    co_await hold;
  }
  if (request.parameter.starts_with("refused")) co_return answer(bad_request("not like this"));
  Response response(200, "text/plain", "");
  response.stream = std::make_shared<Mirror>(services, request.incoming, request.parameter);
  co_return response;
}

Task<Response> no_content(Services&, Request) {
  co_return Response(204);
}

}  // namespace

HttpTest::HttpTest() {
  router_.set_stamp(
      [](const Services&, Response& response) { response.add_header("X-By", "node"); });
  router_.add(Method::kGet, "/echo/{x}", Access::kRead, echo);
  router_.add(Method::kPut, "/echo/{x}", Access::kWrite, echo);
  router_.add(Method::kPost, "/echo/{x}", Access::kWrite, echo);
  router_.add(Method::kGet, "/held/{name}", Access::kRead, held);
  router_.add(Method::kPut, "/held/{name}", Access::kWrite, held);
  router_.add(Method::kGet, "/big/{size}", Access::kRead, big);
  router_.add(Method::kGet, "/thrown", Access::kRead, thrown);
  router_.add(Method::kGet, "/stream/{order}", Access::kRead, streamed);
  router_.add(Method::kGet, "/held-stream/{name}", Access::kRead, held_stream);
  router_.add(Method::kGet, "/endless/{name}", Access::kRead, endless_stream);
  router_.add(Method::kGet, "/talk/{name}", Access::kRead, talk);
  router_.add(Method::kPost, "/mirror/{name}", Access::kWrite, mirror, BodyForm::kStreamed);
  router_.add(Method::kGet, "/none", Access::kRead, no_content);
}

void HttpTest::start() {
  connections_ = std::make_unique<Connections>(io_, router_, services, limits, clock);
  auto listener = Listener::open(io_, "127.0.0.1", 0, {connections_.get()}, limits);
  ASSERT_TRUE(listener) << listener.error().message;
  listener_ = std::move(*listener);
  listener_->start();
  thread_ = std::thread([this] { io_.run(); });
}

HttpTest::~HttpTest() {
  if (!thread_.joinable()) return;
  on_io_thread([this] {
    listener_->stop();
    connections_->close_all();
    // Whoever still waits goes on, and finds its connection gone.
    for (auto& [name, handle] : std::exchange(services.held, {})) handle.resume();
  });
  on_io_thread([this] { io_.stop(); });
  thread_.join();
}

void HttpTest::on_io_thread(const std::function<void()>& act) {
  std::promise<void> done;
  boost::asio::post(io_, [&] {
    act();
    done.set_value();
  });
  ASSERT_EQ(done.get_future().wait_for(kPatience), std::future_status::ready);
}

void HttpTest::settle() {
  for (int i = 0; i < 4; ++i) on_io_thread([] {});
}

void HttpTest::advance_and_sweep(Duration time) {
  clock.advance(time);
  on_io_thread([this] { connections_->sweep(clock.now()); });
}

bool HttpTest::told(const std::string& line) {
  std::unique_lock lock(services.mutex);
  return services.changed.wait_for(lock, kPatience, [&] {
    return std::find(services.story.begin(), services.story.end(), line) != services.story.end();
  });
}

std::vector<std::string> HttpTest::story() {
  const std::lock_guard lock(services.mutex);
  return services.story;
}

void HttpTest::wait_until_held(const std::string& name) {
  std::unique_lock lock(services.mutex);
  ASSERT_TRUE(
      services.changed.wait_for(lock, kPatience, [&] { return services.held.contains(name); }))
      << name << " is not held";
}

void HttpTest::release(const std::string& name) {
  ASSERT_NO_FATAL_FAILURE(wait_until_held(name));
  std::coroutine_handle<> handle;
  {
    const std::lock_guard lock(services.mutex);
    handle = services.held.extract(name).mapped();
  }
  on_io_thread([handle] { handle.resume(); });
}

void HttpTest::wait_for_connections(size_t count) {
  const auto deadline = SystemClock().now() + kPatience;
  while (connections_->size() != count && SystemClock().now() < deadline) {
    on_io_thread([] {});
  }
  ASSERT_EQ(connections_->size(), count);
}

std::string request(std::string_view method, std::string_view target, std::string_view body,
                    std::string_view fields) {
  std::string length;
  if (!body.empty()) length = fmt::format("Content-Length: {}\r\n", body.size());
  return fmt::format("{} {} HTTP/1.1\r\nHost: a\r\n{}{}\r\n{}", method, target, length, fields,
                     body);
}

}  // namespace holdfast::http
