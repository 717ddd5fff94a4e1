#pragma once

// What the batch of entries at hand has changed of the named values, laid over the engine until it
// is written: later entries of the batch see what earlier ones did. For the many small values that
// have names of their own (leases, records of answers, settings). Counts what they add to the
// state's hash. Apply thread only. An engine that cannot be read stops the process.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "storage/kv/engine.h"

namespace holdfast {

// What a named value that is part of the agreed state adds to its hash.
uint64_t named_hash(std::string_view name, std::string_view value);

class NamedOverlay {
 public:
  explicit NamedOverlay(const Engine& engine) : engine_(engine) {}

  std::optional<std::string> get(std::string_view name) const;
  // As Engine::scan_meta.
  Engine::NamedValueList scan(std::string_view prefix, std::string_view start_after,
                              size_t limit) const;

  // Who calls these knows what is there, since it had to look in order to decide: it is not read
  // again, and must be true.
  void add(std::string name, std::string value);
  void replace(std::string name, std::string_view old, std::string value);
  void remove(std::string name, std::string_view old);

  // What the changes since the last call add to the state's hash, modulo 2^64.
  uint64_t take_hash_change() { return std::exchange(hash_change_, 0); }
  // All changes, to be given to the engine. Ends the overlay's life.
  void take(EngineBatch& batch);

 private:
  const Engine& engine_;
  std::map<std::string, std::optional<std::string>, std::less<>> changed_;  // no value: deleted
  uint64_t hash_change_ = 0;
};

}  // namespace holdfast
