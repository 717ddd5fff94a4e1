#pragma once

// Which of the keys that are there an operation is for.

#include <cstdint>
#include <optional>
#include <string_view>

#include "storage/base/random.h"

namespace holdfast::load {

enum class KeyChoice {
  kUniform,  // each as likely as any other
  kZipfian,  // a few are asked for most of the time, and lie anywhere among the others
  kLatest,   // the same, and they are those that were added last
};

std::optional<KeyChoice> parse_key_choice(std::string_view name);
std::string_view name_of(KeyChoice choice);

// Ranks as in Zipf's law: rank r (from 0) is drawn in proportion to 1 / (r + 1)^0.99, as in YCSB
// (Gray et al., Quickly Generating Billion-Record Synthetic Databases, 1994).
class ZipfianRanks {
 public:
  explicit ZipfianRanks(uint64_t count) { grow(count); }

  // More ranks; fewer are not possible. Costs a power for each new one.
  void grow(uint64_t count);
  uint64_t draw(Random& random) const;
  // The share of all draws that are of `rank`.
  double share_of(uint64_t rank) const;

 private:
  uint64_t count_ = 0;
  double zeta_ = 0;  // the sum of the weights of all ranks
  double eta_ = 0;
};

class KeyChooser {
 public:
  KeyChooser(KeyChoice choice, uint64_t keys);

  // A number below `keys`, which may have grown since the last time.
  uint64_t choose(Random& random, uint64_t keys);

 private:
  const KeyChoice choice_;
  ZipfianRanks ranks_;
};

}  // namespace holdfast::load
