#pragma once

// One thread's share of a load, without sockets or threads: what is to be sent when, and what
// became of it.
//
// Closed loop: the next operation is due when there is room for it, so that a server that is slow
// is asked for less. Open loop: operations are due at fixed times, whatever the server does, and
// their latency counts from then: one that had to wait because others were not answered has waited.
// A load that counts from when it could send instead omits just those (coordinated omission).

#include <optional>

#include "bench/load/source.h"
#include "bench/load/tally.h"

namespace holdfast::load {

// The times at which operations are due: `first`, and then each `gap`. None: a closed loop.
struct Pace {
  Instant first;
  Duration gap;
};

// Of `rate` operations a second by `threads` threads, those of one: they take turns.
Pace pace_of(double rate, uint32_t thread, uint32_t threads, Instant begin);

class Driver {
 public:
  Driver(Source& source, Tally& tally, const Window& window, std::optional<Pace> pace);

  // What is due, if anything. There has been room for it since `room_since`.
  std::optional<Operation> next(Instant now, Instant room_since);
  // When next(), which had none, will have one, or kNever: only what is answered may bring one.
  Instant due_at(Instant now) const;

  // The second half of the operation, to be sent next in its place; or nothing: it is done.
  std::optional<Operation> answered(const Operation& operation, const Answer& answer, Instant now);
  // It has no answer, and will have none.
  void lost(const Operation& operation, Instant now);
  // At the end: what was due and not sent.
  void finish(Instant now);

  // Nothing more is to be sent.
  bool is_at_end(Instant now) const;

 private:
  Instant due() const;

  Source& source_;
  Tally& tally_;
  const Window& window_;
  const std::optional<Pace> pace_;
  int64_t sent_ = 0;
  bool source_ended_ = false;
};

}  // namespace holdfast::load
