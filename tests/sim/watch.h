#pragma once

// What looks at a run without taking part in it, and the time and chance that every part shares.

#include "storage/base/random.h"
#include "tests/sim/agenda.h"
#include "tests/sim/invariants.h"
#include "tests/sim/plan.h"
#include "tests/sim/trace.h"

namespace holdfast::sim {

struct Watch {
  const Plan& plan;
  Agenda& agenda;
  Random& random;
  Invariants& invariants;
  Marks& marks;
  Trace& trace;

  Duration draw(const Span& span) { return random.between(span.min, span.max); }
  // `text` is made only where lines are wanted.
  template <class Text>
  void line(NodeId node, Text text) {
    if (trace.wants_lines()) trace.line(agenda.now(), node, text());
  }
};

}  // namespace holdfast::sim
