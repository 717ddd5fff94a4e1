#include "storage/kv/named_overlay.h"

#include <gtest/gtest.h>

#include "storage/base/random.h"
#include "storage/kv/memory_engine.h"

namespace holdfast {
namespace {

uint64_t hash_of(const NamedValues& values) {
  uint64_t sum = 0;
  for (const auto& [name, value] : values) sum += named_hash(name, value);
  return sum;
}

Engine::NamedValueList listed(const NamedValues& values, const std::string& prefix,
                              const std::string& start_after, size_t limit) {
  Engine::NamedValueList found;
  for (const auto& [name, value] : values) {
    if (name.starts_with(prefix) && (start_after.empty() || name > start_after) &&
        found.size() < limit)
      found.emplace_back(name, value);
  }
  return found;
}

TEST(NamedOverlayTest, SeesWhatTheBatchChangedOverWhatTheEngineHas) {
  Random random(1);
  MemoryEngine engine;
  NamedValues truth;
  uint64_t hash = 0;
  const auto draw_name = [&] {
    constexpr std::string_view kPrefixes[] = {"a", "a/", "b/"};
    return std::string(kPrefixes[random.below(3)]) + std::to_string(random.below(20));
  };
  for (int batch = 0; batch < 300; ++batch) {
    NamedOverlay overlay(engine);
    for (uint64_t change = random.below(8); change > 0; --change) {
      const std::string name = draw_name();
      const std::string value = std::to_string(random.below(5));
      const auto found = truth.find(name);
      EXPECT_EQ(overlay.get(name),
                found == truth.end() ? std::nullopt : std::optional(found->second));
      if (found == truth.end()) {
        overlay.add(name, value);
        truth[name] = value;
      } else if (random.chance(0.4)) {
        overlay.replace(name, found->second, value);
        found->second = value;
      } else {
        overlay.remove(name, found->second);
        truth.erase(found);
      }
    }
    for (const std::string prefix : {"", "a", "a/", "b/", "c"}) {
      const std::string start_after = random.chance(0.5) ? "" : draw_name();
      const size_t limit = random.below(12);
      EXPECT_EQ(overlay.scan(prefix, start_after, limit),
                listed(truth, prefix, start_after, limit));
    }
    hash += overlay.take_hash_change();
    EXPECT_EQ(hash, hash_of(truth));
    EngineBatch written;
    overlay.take(written);
    engine.write(written);
    EXPECT_EQ(engine.scan_meta("", "", 1000).value(), listed(truth, "", "", 1000));
  }
}

TEST(NamedOverlayTest, WhereTheNameEndsIsInTheHash) {
  EXPECT_NE(named_hash("ab", "c"), named_hash("a", "bc"));
}

}  // namespace
}  // namespace holdfast
