#pragma once

// How `holdfast drill` ends: part of its contract, described in README.md.

namespace holdfast::drill {

enum class Exit {
  kClean = 0,      // no violation found
  kUsage = 1,      // wrong usage, or a file that cannot be read or written
  kViolation = 6,  // data: a violation was found, or the nodes differ
  kUndecided = 7,  // the check gave up: nothing is known
  kFailed = 8,     // the drill could not be carried out, or the cluster did not come back
};

}  // namespace holdfast::drill
