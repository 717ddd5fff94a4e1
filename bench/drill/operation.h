#pragma once

// One operation of one client, as it was asked and answered: what a history is made of. Text is
// kept once, in the history's `Names`; here are its numbers.

#include <cstdint>
#include <limits>
#include <vector>

namespace holdfast::drill {

using Name = uint32_t;  // a text of the history; 0: none

// Nanoseconds of the one steady clock of whoever recorded the history.
inline constexpr int64_t kOpen = std::numeric_limits<int64_t>::max();

enum class Kind : uint8_t { kGet, kPut, kDelete, kTxn };
enum class Level : uint8_t { kLinearizable, kLocal };  // of a get
// kRefused: certainly without effect. kUnknown: it may have had one, or may have it at any time.
enum class Outcome : uint8_t { kOk, kRefused, kUnknown };
enum class Branch : uint8_t { kThen, kElse, kUntold };

struct Compare {
  enum class Target : uint8_t { kExists, kValue, kRevision };
  Name key = 0;
  Target target = Target::kExists;
  bool is_equal = true;   // ==, else !=
  Name value = 0;         // kValue
  uint64_t revision = 0;  // kRevision; 0: of a key that is not there. kExists: 0 or 1
};

// What an answer says of a key before it was changed.
enum class Found : uint8_t { kUntold, kAbsent, kPresent };

struct Act {
  Kind kind = Kind::kGet;  // never kTxn
  Found found = Found::kUntold;
  Name key = 0;
  Name value = 0;               // of a put
  Name found_value = 0;         // 0: not told
  uint64_t found_revision = 0;  // 0: not told
};

struct Operation {
  Name client = 0;
  Name node = 0;
  Kind kind = Kind::kGet;
  Level level = Level::kLinearizable;
  Outcome outcome = Outcome::kOk;
  Branch branch = Branch::kUntold;  // where the outcome is kOk: never untold
  int64_t start = 0;
  int64_t end = kOpen;
  uint64_t revision = 0;  // of its changes; 0: not told, or it changed nothing
  // All of them hold: `then`, else `otherwise`. A conditional put is a transaction of one put.
  std::vector<Compare> compares;
  std::vector<Act> then;
  std::vector<Act> otherwise;

  const std::vector<Act>& acts(Branch which) const {
    return which == Branch::kElse ? otherwise : then;
  }
  bool is_local_read() const { return kind == Kind::kGet && level == Level::kLocal; }
};

}  // namespace holdfast::drill
