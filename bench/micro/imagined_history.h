#pragma once

// The history that clients of a store without a fault would record, in virtual time: for measuring
// and testing the check of histories.

#include "bench/drill/history.h"
#include "storage/base/random.h"

namespace holdfast::drill {

struct Imagined {
  size_t operations = 1000;
  size_t clients = 16;
  size_t keys = 10;
  size_t keys_joined = 4;  // a transaction touches keys of one such group
  double unknown = 0.01;   // of changes: no answer; half of these take effect, at any time
  double refused = 0.01;   // of all
  bool has_revisions = true;
  size_t values = 0;  // how many different ones; 0: each write has its own
};

History imagine(const Imagined& what, Random random);

}  // namespace holdfast::drill
