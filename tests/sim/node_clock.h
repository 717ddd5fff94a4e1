#pragma once

// One node's steady clock: begins anywhere, runs faster or slower than the run's own time, and
// never goes back.

#include <vector>

#include "storage/base/check.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"
#include "tests/sim/plan.h"

namespace holdfast::sim {

class NodeClock {
 public:
  // Shows `origin` at the moment `now` of the run. `permille`: of the speed of the run's time.
  NodeClock(Instant origin, int64_t permille, Instant now) : pieces_{{now, origin, permille}} {}

  void set_rate(int64_t permille, Instant now) { pieces_.push_back({now, at(now), permille}); }

  // What it shows at the moment `now` of the run, not before the last change of its rate.
  Instant at(Instant now) const {
    const Piece& piece = pieces_.back();
    CHECK(now >= piece.since);
    return piece.shown + (now - piece.since) * piece.permille / 1000;
  }
  // How long until it shows at least `shown`.
  Duration until(Instant shown, Instant now) const {
    const Piece& piece = pieces_.back();
    const Duration whole = shown - piece.shown;
    return piece.since + (whole * 1000 + Duration(piece.permille - 1)) / piece.permille - now;
  }
  // When it showed that: a moment of the run, never later than the true one.
  Instant when(Instant shown) const {
    auto piece = pieces_.rbegin();
    while (piece->shown > shown && piece + 1 != pieces_.rend()) ++piece;
    return piece->since + (shown - piece->shown) * 1000 / piece->permille;
  }

 private:
  struct Piece {
    Instant since;  // the run's time
    Instant shown;
    int64_t permille;
  };
  std::vector<Piece> pieces_;
};

int64_t draw_rate(const ClockPlan& plan, Random& random);
NodeClock draw_clock(const ClockPlan& plan, Random& random, Instant now);

}  // namespace holdfast::sim
