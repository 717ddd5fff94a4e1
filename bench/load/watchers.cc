#include "bench/load/watchers.h"

#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include "bench/load/dialect.h"
#include "bench/load/http_answers.h"
#include "bench/load/socket.h"
#include "client/text_forms.h"
#include "storage/base/check.h"

namespace holdfast::load {
namespace {

constexpr Duration kWatchPatience = std::chrono::seconds(5);
constexpr Duration kLookPeriod = std::chrono::milliseconds(5);
constexpr int kTickMs = 20;
constexpr size_t kWatchBufferBytes = 256 << 10;
constexpr int kWatchEventsMax = 64;
constexpr size_t kKeptMax = 64 << 20;

}  // namespace

struct Watchers::Watch {
  Descriptor socket;
  HttpAnswers reader{kKeptMax};
  std::string rest;  // bytes that the reader wants to see again
  std::string text;  // of the stream, in which the beginning of a stamp may be
};

Watchers::Watchers(const Settings& settings, const Clock& clock)
    : settings_(settings),
      clock_(clock),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      buffer_(kWatchBufferBytes) {}

Watchers::~Watchers() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
}

Result<> Watchers::open() {
  for (uint32_t i = 0; i < settings_.watchers; ++i) {
    const Endpoint& endpoint = settings_.endpoints[i % settings_.endpoints.size()];
    auto watch = std::make_unique<Watch>();
    HOLDFAST_ASSIGN(watch->socket, connect_now(endpoint, kWatchPatience));
    const std::string request =
        fmt::format("GET /v1/watch?prefix={} HTTP/1.1\r\nHost: {}\r\n\r\n",
                    query_encoded(settings_.key_prefix), endpoint.authority());
    if (::send(watch->socket.number(), request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
      return fail(ErrorCode::kUnavailable, "a watch cannot be sent to " + endpoint.authority());
    }
    epoll_event event{.events = EPOLLIN, .data = {.ptr = watch.get()}};
    CHECK(::epoll_ctl(epoll_.number(), EPOLL_CTL_ADD, watch->socket.number(), &event) == 0);
    watches_.push_back(std::move(watch));
  }
  const Instant deadline = clock_.now() + kWatchPatience;
  for (const auto& watch : watches_) {
    // Its first event says from where on nothing is missed.
    while (watch->text.empty()) {
      pollfd waiting{.fd = watch->socket.number(), .events = POLLIN, .revents = 0};
      ::poll(&waiting, 1, kTickMs);
      if (waiting.revents != 0 && !receive(*watch, clock_.now())) {
        return fail(ErrorCode::kUnavailable,
                    fmt::format("a watch ended as it began, with status {}: see GET "
                                "/v1/watch?prefix={}",
                                watch->reader.status(), query_encoded(settings_.key_prefix)));
      }
      if (clock_.now() > deadline) {
        return fail(ErrorCode::kUnavailable, "a watch did not begin in time");
      }
    }
  }
  return {};
}

void Watchers::start(Tally& tally, const Window& window) {
  tally_ = &tally;
  window_ = &window;
  delivered_ = 0;
  stopping_ = false;
  thread_ = std::thread([this] { loop(); });
}

void Watchers::finish(uint64_t expected, Duration patience) {
  const Instant deadline = clock_.now() + patience;
  while (delivered_.load() < expected && clock_.now() < deadline) {
    std::this_thread::sleep_for(kLookPeriod);
  }
  stopping_ = true;
  thread_.join();
  tally_ = nullptr;
}

void Watchers::loop() {
  CpuMeter meter(*window_);
  std::array<epoll_event, kWatchEventsMax> events{};
  while (!stopping_.load()) {
    const int count = ::epoll_wait(epoll_.number(), events.data(), kWatchEventsMax, kTickMs);
    const Instant now = clock_.now();
    meter.look(now);
    for (int i = 0; i < count; ++i) {
      Watch& watch = *static_cast<Watch*>(events[static_cast<size_t>(i)].data.ptr);
      if (receive(watch, now)) continue;
      watch.socket.close();
      ++ended_;
    }
  }
  cpu_ = meter.use();
}

bool Watchers::receive(Watch& watch, Instant now) {
  const ssize_t received = ::recv(watch.socket.number(), buffer_.data(), buffer_.size(), 0);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (received <= 0) return false;
  watch.rest.append(buffer_.data(), static_cast<size_t>(received));
  size_t taken = 0;
  while (taken < watch.rest.size()) {
    const Result<size_t> step = watch.reader.read(std::string_view(watch.rest).substr(taken));
    if (!step || watch.reader.answer() != nullptr) return false;
    if (*step == 0) break;
    taken += *step;
  }
  watch.rest.erase(0, taken);
  if (watch.reader.status() != 200 && watch.reader.status() != 0) return false;
  take_changes(watch, watch.reader.take_body(), now);
  return true;
}

void Watchers::take_changes(Watch& watch, std::string_view part, Instant now) {
  watch.text += part;
  for (const Instant sent : take_stamps(watch.text)) {
    if (tally_ == nullptr) continue;
    tally_->delivered(*window_, sent, now);
    if (window_->is_measured(sent)) ++delivered_;
  }
}

}  // namespace holdfast::load
