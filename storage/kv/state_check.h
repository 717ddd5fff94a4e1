#pragma once

// Reads a whole state that no process uses, and compares it with what it says of itself.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "storage/kv/kv_state_machine.h"

namespace holdfast {

struct StateCheck {
  StateSummary head;
  uint64_t files = 0;              // with rows, changes and named values
  uint64_t bytes = 0;              // of them
  uint64_t keys = 0;               // that exist
  uint64_t revisions = 0;          // in the feed of changes
  std::vector<std::string> wrong;  // what is, and where; empty: nothing
};

// `directory`: see RocksEngine::open_to_read. Compares every block's checksum, every row's hash,
// the state's hash, and reads the whole feed. As much as can be read is read, whatever is wrong.
StateCheck check_state(const std::string& directory);

// The sums alone, of a checkpoint. `pace` is told the bytes of what was read since, and ends it
// with false, which is no error. kCorrupt: the state does not hold what it says of itself.
Result<> check_sums(const std::string& directory, const std::function<bool(uint64_t bytes)>& pace);

}  // namespace holdfast
