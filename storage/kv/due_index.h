#pragma once

// What is due when, as names without values: a prefix, the deadline as u64 big-endian, and what is
// due then. So what is due first comes first, and a million of them cost memory nothing. Apply
// thread only. An engine that cannot be read stops the process.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/kv/deadlines.h"
#include "storage/kv/named_overlay.h"

namespace holdfast {

// Numbers in names: their bytes sort as they do.
void put_ordered(std::string& out, uint64_t number);
uint64_t load_ordered(std::string_view bytes);  // the first eight of them

class DueIndex {
 public:
  // `prefix`: of its names, and of no others; as long as the process.
  DueIndex(const Engine& engine, std::string_view prefix) : engine_(engine), prefix_(prefix) {}

  // `what`: at least a byte, and not there yet.
  void add(NamedOverlay& named, uint64_t deadline_ms, std::string_view what);
  // What is there.
  void remove(NamedOverlay& named, uint64_t deadline_ms, std::string_view what);

  struct Due {
    uint64_t deadline_ms = 0;
    std::string what;
  };
  // What is due at `now_ms`, the earliest first, at most `limit`.
  std::vector<Due> due(const NamedOverlay& named, uint64_t now_ms, size_t limit) const;
  // All of it has been removed.
  void pass(uint64_t now_ms) { deadlines_.pass(now_ms); }
  // Nothing is due before this; Deadlines::kNone: nothing ever.
  uint64_t earliest() const { return deadlines_.earliest(); }

  // After a batch is in the engine: earliest() is worth another look. An engine that cannot be
  // read: kCorrupt.
  Result<> read_ahead();
  // The engine holds another state.
  Result<> read_again();

 private:
  std::string name(uint64_t deadline_ms, std::string_view what) const;
  Result<Due> decode(std::string_view name) const;

  const Engine& engine_;
  const std::string_view prefix_;
  Deadlines deadlines_;
};

}  // namespace holdfast
