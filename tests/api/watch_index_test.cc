#include "server/api/watch_index.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "storage/base/random.h"

namespace holdfast {
namespace {

std::vector<WatchIndex::Id> found_in(const WatchIndex& index, std::string_view key) {
  std::vector<WatchIndex::Id> found;
  index.find(key, found);
  std::ranges::sort(found);
  return found;
}

// Few letters, so that prefixes and bounds meet, and those at the ends of the order of bytes.
std::string short_text(Random& random) {
  constexpr std::string_view kLetters("\0ab\xff", 4);
  std::string text;
  for (uint64_t i = random.below(4); i > 0; --i) text.push_back(kLetters[random.below(4)]);
  return text;
}

KeyRange random_range(Random& random) {
  const uint64_t draw = random.below(3);
  if (draw == 0) return range_of_key("k" + short_text(random));
  if (draw == 1) return range_of(short_text(random), "", "");
  return range_of("", short_text(random), short_text(random));
}

TEST(WatchIndex, FindsWhatGoingThroughAllFinds) {
  Random random(1);
  WatchIndex index;
  std::vector<std::pair<KeyRange, WatchIndex::Id>> watches;
  for (WatchIndex::Id next = 1; next <= 3000; ++next) {
    if (!watches.empty() && random.chance(0.45)) {
      const auto gone = watches.begin() + static_cast<ptrdiff_t>(random.below(watches.size()));
      index.remove(gone->first, gone->second);
      watches.erase(gone);
    } else {
      watches.emplace_back(random_range(random), next);
      index.add(watches.back().first, next);
    }
    const std::string key = (random.chance(0.5) ? "k" : "") + short_text(random);
    std::vector<WatchIndex::Id> expected;
    for (const auto& [range, id] : watches)
      if (!key.empty() && range.has(key)) expected.push_back(id);
    if (key.empty()) continue;
    ASSERT_EQ(found_in(index, key), expected);
  }
  for (const auto& [range, id] : watches) index.remove(range, id);
  EXPECT_TRUE(index.empty());
}

}  // namespace
}  // namespace holdfast
