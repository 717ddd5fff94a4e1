#pragma once

// Reads a whole state that no process uses, and compares it with what it says of itself.

#include <cstdint>
#include <functional>
#include <optional>
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

struct SumsCheck {
  bool is_whole = false;           // all was read: `pace` did not end it
  std::vector<std::string> wrong;  // rows that are not what was written; the first 20
  std::optional<std::string>
      differs;  // from the hash that the state says it has; known if is_whole
};

// The sums alone, of a checkpoint. `pace` is told the bytes of what was read since, and ends it
// with false. An error says that there was no looking; kCorrupt, that what is there cannot be read.
Result<SumsCheck> check_sums(const std::string& directory,
                             const std::function<bool(uint64_t bytes)>& pace);

}  // namespace holdfast
