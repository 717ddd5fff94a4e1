#include "storage/kv/deadlines.h"

#include <set>

#include <gtest/gtest.h>

#include "storage/base/random.h"

namespace holdfast {
namespace {

// What the engine would hold, and the reading of it.
class Store {
 public:
  explicit Store(Deadlines& deadlines) : deadlines_(deadlines) {}

  void add(uint64_t deadline) {
    all_.insert(deadline);
    deadlines_.add(deadline);
  }
  void remove(uint64_t deadline) {
    all_.erase(all_.find(deadline));
    deadlines_.remove(deadline);
  }
  void pass(uint64_t now) {
    all_.erase(all_.begin(), all_.upper_bound(now));
    deadlines_.pass(now);
  }
  void read() {
    while (deadlines_.must_read()) {
      std::vector<uint64_t> found;
      for (auto at = all_.lower_bound(deadlines_.unknown_from());
           at != all_.end() && found.size() < Deadlines::kReadAtOnce; ++at)
        found.push_back(*at);
      deadlines_.read(found);
      ++reads;
    }
  }
  uint64_t earliest() const { return all_.empty() ? Deadlines::kNone : *all_.begin(); }
  const std::multiset<uint64_t>& all() const { return all_; }

  uint64_t reads = 0;

 private:
  Deadlines& deadlines_;
  std::multiset<uint64_t> all_;
};

TEST(DeadlinesTest, TheEarliestIsAlwaysKnown) {
  for (const uint64_t spread : {uint64_t{50}, uint64_t{20'000}, uint64_t{10'000'000}}) {
    Random random(spread);
    Deadlines deadlines;
    Store store(deadlines);
    store.read();
    uint64_t now = 0;
    for (int step = 0; step < 60'000; ++step) {
      const uint64_t drawn = random.below(100);
      if (drawn < 60) {
        store.add(now + 1 + random.below(spread));
      } else if (drawn < 95 && !store.all().empty()) {
        store.remove(*store.all().lower_bound(random.below(*store.all().rbegin() + 1)));
      } else {
        now += random.below(spread / 50 + 1);
        store.pass(now);
      }
      // Never later than the truth; what is read in between only narrows it.
      ASSERT_LE(deadlines.earliest(), store.earliest()) << step;
      if (random.chance(0.3)) {
        store.read();
        if (spread > 1000) {
          ASSERT_EQ(deadlines.earliest(), store.earliest()) << step;
        }
      }
    }
  }
}

TEST(DeadlinesTest, AMillionAreReadAPageAtATimeAndOnce) {
  constexpr uint64_t kCount = 1'000'000;
  Deadlines deadlines;
  Store store(deadlines);
  Random random(1);
  std::multiset<uint64_t> later;
  for (uint64_t i = 0; i < kCount; ++i) store.add(random.below(kCount));
  store.read();
  EXPECT_EQ(store.reads, 1U);
  for (uint64_t now = 0; now < kCount; now += 100) {
    store.pass(now);
    store.read();
    ASSERT_EQ(deadlines.earliest(), store.earliest());
  }
  EXPECT_LE(store.reads, 2 + kCount / Deadlines::kReadAtOnce * 2);
}

TEST(DeadlinesTest, MoreAtOneMomentThanAreReadAtOnce) {
  Deadlines deadlines;
  Store store(deadlines);
  for (size_t i = 0; i < 3 * Deadlines::kReadAtOnce; ++i) store.add(7);
  store.add(9);
  store.read();
  EXPECT_EQ(deadlines.earliest(), 7U);
  store.add(7);
  store.remove(7);
  EXPECT_EQ(deadlines.earliest(), 7U);
  store.pass(7);
  store.read();
  EXPECT_EQ(deadlines.earliest(), 9U);
  store.remove(9);
  store.read();
  EXPECT_EQ(deadlines.earliest(), Deadlines::kNone);
}

TEST(DeadlinesTest, NothingIsReadAgainWhileTheEarliestComeAndGo) {
  Deadlines deadlines;
  Store store(deadlines);
  store.read();
  EXPECT_EQ(store.reads, 1U);
  for (uint64_t now = 0; now < 1000; ++now) {
    store.add(now + 1);
    store.read();
    store.pass(now + 1);
    store.read();
  }
  EXPECT_EQ(store.reads, 1U);
}

}  // namespace
}  // namespace holdfast
