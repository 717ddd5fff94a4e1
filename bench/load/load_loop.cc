#include "bench/load/load_loop.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "bench/load/socket.h"
#include "storage/base/check.h"

namespace holdfast::load {
namespace {

constexpr Duration kConnectPatience = std::chrono::seconds(5);
constexpr Duration kTick = std::chrono::milliseconds(50);  // between looks at what is overdue
constexpr Duration kReconnectPause = std::chrono::milliseconds(20);
constexpr size_t kBufferBytes = 256 << 10;
constexpr int kEventsMax = 64;

}  // namespace

struct LoadLoop::Wire {
  enum class State { kDown, kConnecting, kOpen };

  Wire(Endpoint where, uint32_t depth, std::unique_ptr<AnswerReader> answers)
      : endpoint(std::move(where)), reader(std::move(answers)), waiting(depth) {}

  bool is_full() const { return count == waiting.size(); }
  const Operation& front() const { return waiting[first]; }
  void push(const Operation& operation) {
    waiting[(first + count) % waiting.size()] = operation;
    ++count;
  }
  void pop() {
    first = (first + 1) % waiting.size();
    --count;
  }

  const Endpoint endpoint;
  State state = State::kDown;
  Descriptor socket;
  std::unique_ptr<AnswerReader> reader;
  std::string out;  // requests, from out_sent on not yet handed to the system
  size_t out_sent = 0;
  std::string rest;                // the beginning of an answer
  std::vector<Operation> waiting;  // a ring, in the order in which they were sent
  size_t first = 0;
  size_t count = 0;
  unsigned answers_seen = 0;  // of the first that waits
  Answer so_far;              // what they said together
  bool has_room = false;      // it is in room_
  bool is_unsent = false;     // it is in unsent_
  bool awaits_room_to_send = false;
  Instant progress_at{};  // the last answer, or the request after which one is due
  Instant retry_at{};     // when a broken connection is opened again
};

LoadLoop::LoadLoop(const Settings& settings, const Dialect& dialect, const Clock& clock,
                   uint32_t number)
    : settings_(settings),
      dialect_(dialect),
      clock_(clock),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      buffer_(kBufferBytes) {
  for (uint32_t i = number; i < settings.connections; i += settings.threads) {
    wires_.push_back(std::make_unique<Wire>(settings.endpoints[i % settings.endpoints.size()],
                                            settings.depth, dialect.make_reader()));
  }
}

LoadLoop::~LoadLoop() = default;

Result<> LoadLoop::connect() {
  for (const auto& wire : wires_) {
    HOLDFAST_ASSIGN(wire->socket, connect_now(wire->endpoint, kConnectPatience));
    wire->state = Wire::State::kOpen;
    epoll_event event{.events = EPOLLIN, .data = {.ptr = wire.get()}};
    CHECK(::epoll_ctl(epoll_.number(), EPOLL_CTL_ADD, wire->socket.number(), &event) == 0);
  }
  return {};
}

void LoadLoop::run(Driver& driver, Tally& tally, const Window& window) {
  // Else the kernel rounds a thread's timers up by 50 µs.
  ::prctl(PR_SET_TIMERSLACK, 1);
  driver_ = &driver;
  tally_ = &tally;
  window_ = &window;
  cpu_.emplace(window);
  room_.clear();
  room_since_ = window.begin;
  for (const auto& wire : wires_) {
    wire->has_room = false;
    if (wire->state == Wire::State::kOpen) give_room(*wire, window.begin);
  }
  Instant now = clock_.now();
  connected_at_ = now;
  while (!is_over(now)) {
    look_at_time(now);
    dispatch(now);
    wait(now);
    now = clock_.now();
  }
  // What is still under way has had its time.
  for (const auto& wire : wires_) {
    if (wire->count > 0) drop(*wire, now);
  }
  driver.finish(now);
}

bool LoadLoop::is_over(Instant now) const {
  if (now - connected_at_ > settings_.timeout) return true;
  return driver_->is_at_end(now) && under_way_ == 0;
}

void LoadLoop::wait(Instant now) {
  const Instant due = room_.empty() ? kNever : driver_->due_at(now);
  const Duration patience = std::clamp(due - now, Duration::zero(), kTick);
  const timespec timeout{.tv_sec = 0, .tv_nsec = patience.count()};
  std::array<epoll_event, kEventsMax> events{};
  const int count = ::epoll_pwait2(epoll_.number(), events.data(), kEventsMax, &timeout, nullptr);
  for (int i = 0; i < count; ++i) {
    Wire& wire = *static_cast<Wire*>(events[static_cast<size_t>(i)].data.ptr);
    const uint32_t what = events[static_cast<size_t>(i)].events;
    const Instant then = clock_.now();
    if (wire.state == Wire::State::kConnecting) {
      connected(wire, then);
    } else if (wire.state == Wire::State::kOpen) {
      if ((what & EPOLLOUT) != 0) flush(wire, then);
      if ((what & ~static_cast<uint32_t>(EPOLLOUT)) != 0 && wire.state == Wire::State::kOpen) {
        receive(wire, then);
      }
    }
    // At once, not after all events: the server has something to do while the others are read.
    dispatch(then);
  }
}

void LoadLoop::look_at_time(Instant now) {
  if (now - looked_at_time_ < kTick) return;
  looked_at_time_ = now;
  cpu_->look(now);
  for (const auto& wire : wires_) {
    if (wire->state == Wire::State::kOpen) connected_at_ = now;
    const bool is_overdue = wire->state == Wire::State::kOpen && wire->count > 0 &&
                            now - wire->progress_at > settings_.timeout;
    if (is_overdue) drop(*wire, now);
    if (wire->state == Wire::State::kDown && now >= wire->retry_at) reconnect(*wire, now);
  }
}

void LoadLoop::dispatch(Instant now) {
  while (!room_.empty()) {
    const std::optional<Operation> operation = driver_->next(now, room_since_);
    if (!operation) break;
    Wire& wire = *room_.front();
    room_.pop_front();
    wire.has_room = false;
    send_on(wire, *operation, now);
    if (!wire.is_full()) {
      wire.has_room = true;
      room_.push_back(&wire);
    }
  }
  for (Wire* const wire : unsent_) {
    wire->is_unsent = false;
    flush(*wire, now);
  }
  unsent_.clear();
}

void LoadLoop::send_on(Wire& wire, const Operation& operation, Instant now) {
  if (wire.count == 0) wire.progress_at = now;
  wire.push(operation);
  ++under_way_;
  dialect_.ask(operation, wire.out);
  if (!wire.is_unsent) {
    wire.is_unsent = true;
    unsent_.push_back(&wire);
  }
}

void LoadLoop::flush(Wire& wire, Instant now) {
  if (wire.state != Wire::State::kOpen) return;
  while (wire.out_sent < wire.out.size()) {
    const ssize_t sent = ::send(wire.socket.number(), wire.out.data() + wire.out_sent,
                                wire.out.size() - wire.out_sent, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) {
      if (!wire.awaits_room_to_send) watch(wire, /*for_room=*/true);
      return;
    }
    if (sent < 0) return drop(wire, now);
    wire.out_sent += static_cast<size_t>(sent);
  }
  wire.out.clear();
  wire.out_sent = 0;
  if (wire.awaits_room_to_send) watch(wire, /*for_room=*/false);
}

void LoadLoop::watch(Wire& wire, bool for_room) {
  wire.awaits_room_to_send = for_room;
  uint32_t wanted = EPOLLIN;
  if (for_room) wanted |= EPOLLOUT;
  epoll_event event{.events = wanted, .data = {.ptr = &wire}};
  CHECK(::epoll_ctl(epoll_.number(), EPOLL_CTL_MOD, wire.socket.number(), &event) == 0);
}

void LoadLoop::receive(Wire& wire, Instant now) {
  const ssize_t received = ::recv(wire.socket.number(), buffer_.data(), buffer_.size(), 0);
  if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (received <= 0) return drop(wire, now);
  std::string_view bytes(buffer_.data(), static_cast<size_t>(received));
  if (!wire.rest.empty()) {
    wire.rest += bytes;
    bytes = wire.rest;
  }
  const Result<size_t> taken = take_answers(wire, bytes, now);
  if (!taken) return drop(wire, now);
  if (wire.state != Wire::State::kOpen) return;
  if (wire.rest.empty()) {
    wire.rest = bytes.substr(*taken);
  } else {
    wire.rest.erase(0, *taken);
  }
}

Result<size_t> LoadLoop::take_answers(Wire& wire, std::string_view bytes, Instant now) {
  size_t taken = 0;
  while (taken < bytes.size()) {
    HOLDFAST_ASSIGN(const size_t step, wire.reader->read(bytes.substr(taken)));
    taken += step;
    const RawAnswer* const raw = wire.reader->answer();
    if (raw == nullptr) break;
    if (wire.count == 0) return fail(ErrorCode::kInvalid, "an answer to nothing");
    const bool closes = raw->closes;
    take_answer(wire, *raw, now);
    if (closes) {
      drop(wire, now);
      break;
    }
  }
  return taken;
}

void LoadLoop::take_answer(Wire& wire, const RawAnswer& raw, Instant now) {
  const Operation operation = wire.front();
  Answer said = dialect_.judge(operation, wire.answers_seen, raw);
  if (wire.answers_seen == 0 || wire.so_far.fate == Fate::kOk) wire.so_far = std::move(said);
  wire.progress_at = now;
  if (++wire.answers_seen < dialect_.answers_of(operation)) return;
  wire.answers_seen = 0;
  wire.pop();
  --under_way_;
  const std::optional<Operation> rest = driver_->answered(operation, wire.so_far, now);
  if (rest) {
    send_on(wire, *rest, now);
  } else {
    give_room(wire, now);
  }
}

void LoadLoop::give_room(Wire& wire, Instant now) {
  if (wire.has_room || wire.is_full()) return;
  if (room_.empty()) room_since_ = now;
  wire.has_room = true;
  room_.push_back(&wire);
}

void LoadLoop::drop(Wire& wire, Instant now) {
  for (; wire.count > 0; wire.pop(), --under_way_) driver_->lost(wire.front(), now);
  if (wire.has_room) std::erase(room_, &wire);
  wire.has_room = false;
  wire.socket.close();
  wire.state = Wire::State::kDown;
  wire.retry_at = now + kReconnectPause;
  wire.reader = dialect_.make_reader();
  wire.out.clear();
  wire.out_sent = 0;
  wire.rest.clear();
  wire.answers_seen = 0;
  wire.awaits_room_to_send = false;
}

void LoadLoop::reconnect(Wire& wire, Instant now) {
  Result<Descriptor> socket = begin_connecting(wire.endpoint);
  if (!socket) {
    tally_->connecting_failed();
    wire.retry_at = now + kReconnectPause;
    return;
  }
  wire.socket = *std::move(socket);
  wire.state = Wire::State::kConnecting;
  epoll_event event{.events = EPOLLOUT, .data = {.ptr = &wire}};
  CHECK(::epoll_ctl(epoll_.number(), EPOLL_CTL_ADD, wire.socket.number(), &event) == 0);
}

void LoadLoop::connected(Wire& wire, Instant now) {
  if (connect_error(wire.socket) != 0) {
    tally_->connecting_failed();
    return drop(wire, now);
  }
  wire.state = Wire::State::kOpen;
  watch(wire, /*for_room=*/false);
  give_room(wire, now);
}

}  // namespace holdfast::load
