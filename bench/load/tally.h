#pragma once

// What one thread has counted; then what all have, added up. An operation belongs to the moment
// when it was due: latencies and fates are of those due in the measured time, also if their answers
// came later. Rates are of the answers that came in that time.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bench/load/histogram.h"
#include "bench/load/operation.h"

namespace holdfast::load {

// The times of one run: a warm-up before what is measured, and after it the time in which what was
// due may still be answered.
struct Window {
  Instant begin;
  Instant measured_from;
  Instant measured_until;
  Instant drained_until;  // nothing is sent after this

  Duration measured() const { return measured_until - measured_from; }
  bool is_measured(Instant at) const { return at >= measured_from && at < measured_until; }
};

struct Outcomes {
  uint64_t ok = 0;
  uint64_t missing = 0;                     // reads of keys that are not there: answered, too
  std::map<std::string, uint64_t> refused;  // by code: certainly not done
  std::map<std::string, uint64_t> unknown;  // by code: perhaps done
  uint64_t not_connected = 0;               // attempts to connect that failed

  uint64_t errors() const;
  void add(const Outcomes& other);
};

// A part of the measured time.
struct Slice {
  uint64_t done = 0;
  Histogram latency;  // of what was answered in it
};

class Tally {
 public:
  // `window` has its final times before the first answer.
  explicit Tally(Duration measured);

  void answered(const Window& window, const Operation& operation, const Answer& answer,
                Instant now);
  // A change came to a watcher.
  void delivered(const Window& window, Instant sent, Instant now);
  // Due in the measured time, and never sent: it has waited for at least this long.
  void never_sent(Instant intended, Instant now);
  void add(const Tally& other);

  // How an attempt to connect ended; counted at any time.
  void connecting_failed() { ++outcomes.not_connected; }

  std::array<Histogram, kOpKinds> latency;  // of what went well
  std::array<uint64_t, kOpKinds> done{};    // answered well in the measured time
  Outcomes outcomes;
  std::vector<Slice> slices;
  Histogram late;    // how much later than it could have been each was sent
  Histogram unsent;  // for how long what was due and never sent has waited in vain

  Duration slice_length() const { return slice_length_; }
  uint64_t done_in_all() const;
  // Without deliveries, and with what was never sent: it has waited at least so long.
  Histogram latency_of_all() const;

 private:
  Slice& slice_at(const Window& window, Instant now);

  Duration slice_length_;
};

}  // namespace holdfast::load
