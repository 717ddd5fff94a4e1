#include "bench/load/key_choice.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace holdfast::load {
namespace {

constexpr double kSkew = 0.99;
constexpr std::array<std::pair<std::string_view, KeyChoice>, 3> kNames{
    {{"uniform", KeyChoice::kUniform},
     {"zipfian", KeyChoice::kZipfian},
     {"latest", KeyChoice::kLatest}}};

double weight(uint64_t rank) {
  return std::pow(static_cast<double>(rank + 1), -kSkew);
}

// FNV-1a over the bytes of the rank, as YCSB scatters them.
uint64_t scattered(uint64_t rank) {
  uint64_t hash = 0xcbf29ce484222325;
  for (int i = 0; i < 8; ++i) {
    hash = (hash ^ (rank & 0xff)) * 0x100000001b3;
    rank >>= 8;
  }
  return hash;
}

}  // namespace

std::optional<KeyChoice> parse_key_choice(std::string_view name) {
  for (const auto& [known, choice] : kNames) {
    if (known == name) return choice;
  }
  return std::nullopt;
}

std::string_view name_of(KeyChoice choice) {
  return kNames[static_cast<size_t>(choice)].first;
}

void ZipfianRanks::grow(uint64_t count) {
  if (count <= count_) return;
  for (uint64_t rank = count_; rank < count; ++rank) zeta_ += weight(rank);
  count_ = count;
  const double first_two = weight(0) + weight(1);
  // With two ranks or one, draw() never comes to use it.
  eta_ = count_ <= 2 ? 0
                     : (1 - std::pow(2.0 / static_cast<double>(count_), 1 - kSkew)) /
                           (1 - first_two / zeta_);
}

uint64_t ZipfianRanks::draw(Random& random) const {
  const double u = static_cast<double>(random.next() >> 11) * 0x1p-53;
  const double drawn = u * zeta_;
  if (drawn < 1) return 0;
  if (drawn < weight(0) + weight(1)) return std::min(uint64_t{1}, count_ - 1);
  const double rank = static_cast<double>(count_) * std::pow(eta_ * u - eta_ + 1, 1 / (1 - kSkew));
  return std::min(static_cast<uint64_t>(rank), count_ - 1);
}

double ZipfianRanks::share_of(uint64_t rank) const {
  return weight(rank) / zeta_;
}

KeyChooser::KeyChooser(KeyChoice choice, uint64_t keys)
    : choice_(choice), ranks_(choice == KeyChoice::kUniform ? 1 : keys) {}

uint64_t KeyChooser::choose(Random& random, uint64_t keys) {
  switch (choice_) {
    case KeyChoice::kUniform:
      return random.below(keys);
    case KeyChoice::kZipfian:
      return scattered(ranks_.draw(random)) % keys;
    case KeyChoice::kLatest:
      ranks_.grow(keys);
      return keys - 1 - ranks_.draw(random);
  }
  return 0;
}

}  // namespace holdfast::load
