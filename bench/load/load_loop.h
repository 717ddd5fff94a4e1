#pragma once

// One thread of the load: its connections, and a loop that waits for all of them at once. It sends
// what its driver says is due, wherever there is room, and tells it what became of it.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/load/cpu_meter.h"
#include "bench/load/dialect.h"
#include "bench/load/driver.h"
#include "storage/base/clock.h"
#include "storage/base/descriptor.h"
#include "storage/base/result.h"

namespace holdfast::load {

class LoadLoop {
 public:
  // Of the connections of all `settings.threads`, those of thread `number`. All three outlive it.
  LoadLoop(const Settings& settings, const Dialect& dialect, const Clock& clock, uint32_t number);
  ~LoadLoop();

  // Opens its connections, for all runs. kUnavailable where one cannot be opened.
  Result<> connect();
  // One run, on a thread of its own, until all that was sent is answered or has had its timeout, or
  // nobody could be reached for so long. Connections that break are opened again.
  void run(Driver& driver, Tally& tally, const Window& window);
  // Of the last run's measured time.
  CpuUse cpu() const { return cpu_->use(); }

 private:
  struct Wire;

  bool is_over(Instant now) const;
  void wait(Instant now);
  void look_at_time(Instant now);
  void dispatch(Instant now);
  void send_on(Wire& wire, const Operation& operation, Instant now);
  void flush(Wire& wire, Instant now);
  void watch(Wire& wire, bool for_room);
  void receive(Wire& wire, Instant now);
  // The bytes that are of whole answers, or what is wrong with them.
  Result<size_t> take_answers(Wire& wire, std::string_view bytes, Instant now);
  void take_answer(Wire& wire, const RawAnswer& raw, Instant now);
  void give_room(Wire& wire, Instant now);
  // The connection is over, and with it all that was under way on it.
  void drop(Wire& wire, Instant now);
  void reconnect(Wire& wire, Instant now);
  void connected(Wire& wire, Instant now);

  // Set once.
  const Settings& settings_;
  const Dialect& dialect_;
  const Clock& clock_;
  const Descriptor epoll_;
  std::vector<std::unique_ptr<Wire>> wires_;
  std::vector<char> buffer_;

  // Of one run.
  Driver* driver_ = nullptr;
  Tally* tally_ = nullptr;
  const Window* window_ = nullptr;
  std::deque<Wire*> room_;     // connections that can take more
  Instant room_since_{};       // when room_ was last empty
  std::vector<Wire*> unsent_;  // connections with requests that were not handed over yet
  uint64_t under_way_ = 0;
  Instant looked_at_time_{};
  Instant connected_at_{};  // when at least one connection was last seen open
  std::optional<CpuMeter> cpu_;
};

}  // namespace holdfast::load
