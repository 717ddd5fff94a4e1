// A revision in the making: what it shows, what it becomes, and that nothing is changed before.

#include "storage/kv/draft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/kv/command.h"
#include "tests/kv/test_stores.h"

namespace holdfast {
namespace {

using testing::ElementsAre;

class DraftTest : public testing::TestWithParam<StoreKind> {
 protected:
  // Keys in the engine at revision 2, and more in the overlay at revision 3.
  DraftTest() {
    EngineBatch batch;
    batch.revisions.push_back(revision({2}, {{"a", "1"}, {"c", "1"}, {"e", "1"}, {"g", "1"}}));
    store_->engine().write(batch);
    RevisionWrite later = revision({3}, {{"b", "2"}, {"c", "2"}});
    later.rows.push_back({"e", std::nullopt});
    overlay_.write(std::move(later));
  }

  static RevisionWrite revision(Revision now,
                                const std::vector<std::pair<std::string, std::string>>& rows) {
    RevisionWrite write{.revision = now, .made = {}, .rows = {}};
    for (const auto& [key, value] : rows) {
      RowInfo info{.create_revision = now, .mod_revision = now, .version = 1};
      info.hash = row_hash(key, info, value);
      write.rows.push_back({key, Row{info, value}});
    }
    return write;
  }

  template <class Layer>
  static std::vector<std::string> read(const Layer& layer, const RangeScan& scan,
                                       size_t limit = SIZE_MAX) {
    std::vector<std::string> found;
    layer.scan(scan, [&](std::string_view key, const RowInfo& info, std::string_view value) {
      found.push_back(fmt::format("{}={}@{}", key, value, info.mod_revision.value));
      return found.size() < limit;
    });
    return found;
  }

  // True if the key was not there.
  static bool put(Draft& draft, const std::string& key, std::string value) {
    const std::optional<RowInfo> old = draft.newest(key);
    draft.put(key, old, std::move(value));
    return !old;
  }
  // True if it was there.
  static bool remove(Draft& draft, const std::string& key) {
    const std::optional<RowInfo> old = draft.newest(key);
    if (old) draft.remove(key, *old);
    return old.has_value();
  }

  std::unique_ptr<TestStore> store_ = make_store(GetParam());
  RecentRows recent_;
  Overlay overlay_{store_->engine(), {2}, recent_};
  Draft draft_{overlay_, {4}};
};

TEST_P(DraftTest, ShowsItsOwnWritesOverWhatWasThere) {
  EXPECT_TRUE(put(draft_, "d", "3"));
  EXPECT_FALSE(put(draft_, "c", "3"));
  EXPECT_TRUE(remove(draft_, "a"));
  EXPECT_FALSE(remove(draft_, "e"));

  EXPECT_FALSE(draft_.newest("a"));
  EXPECT_FALSE(draft_.get("e"));
  EXPECT_EQ(draft_.get("b")->value, "2");
  EXPECT_EQ(draft_.get("g")->value, "1");
  EXPECT_EQ(draft_.get("c")->value, "3");
  EXPECT_EQ(draft_.newest("c")->version, 2u);
  EXPECT_EQ(draft_.newest("c")->create_revision, Revision{3});
  const RangeScan all{.start = "", .end = "", .at = {}};
  EXPECT_THAT(read(draft_, all), ElementsAre("b=2@3", "c=3@4", "d=3@4", "g=1@2"));
  EXPECT_THAT(read(overlay_, all), ElementsAre("a=1@2", "b=2@3", "c=2@3", "g=1@2"));
}

TEST_P(DraftTest, ScansPartsInBothDirections) {
  put(draft_, "d", "3");
  put(draft_, "f", "3");
  remove(draft_, "c");
  const RangeScan part{.start = "b", .end = "g", .at = {}};
  EXPECT_THAT(read(draft_, part), ElementsAre("b=2@3", "d=3@4", "f=3@4"));
  EXPECT_THAT(read(draft_, part, 2), ElementsAre("b=2@3", "d=3@4"));
  const RangeScan back{.start = "b", .end = "", .at = {}, .reverse = true};
  EXPECT_THAT(read(draft_, back), ElementsAre("g=1@2", "f=3@4", "d=3@4", "b=2@3"));
  EXPECT_THAT(read(draft_, back, 1), ElementsAre("g=1@2"));
  EXPECT_THAT(read(draft_, {.start = "c", .end = "c", .at = {}}), ElementsAre());
  EXPECT_THAT(read(draft_, {.start = "g", .end = "b", .at = {}}), ElementsAre());
}

TEST_P(DraftTest, BecomesOneRevisionWithEachKeyOnce) {
  put(draft_, "z", "first");
  put(draft_, "z", "second");
  remove(draft_, "a");
  put(draft_, "a", "again");
  put(draft_, "new", "x");
  remove(draft_, "new");
  remove(draft_, "g");

  uint64_t expected = 0;
  for (const char* gone : {"a", "g"}) expected -= overlay_.newest(gone)->hash;
  for (const char* here : {"a", "z"}) expected += draft_.newest(here)->hash;
  EXPECT_EQ(draft_.hash_change(), expected);

  const RevisionWrite write = draft_.take({7, 77});
  EXPECT_EQ(write.revision, Revision{4});
  EXPECT_EQ(write.made, (Stamp{7, 77}));
  ASSERT_EQ(write.rows.size(), 4u);
  EXPECT_EQ(write.rows[0].key, "a");  // a new life
  EXPECT_EQ(write.rows[0].row->info.create_revision, Revision{4});
  EXPECT_EQ(write.rows[0].row->info.version, 1u);
  EXPECT_EQ(write.rows[1].key, "g");
  EXPECT_FALSE(write.rows[1].row);
  EXPECT_EQ(write.rows[2].key, "new");
  EXPECT_FALSE(write.rows[2].row);
  EXPECT_EQ(write.rows[3].row->value, "second");
  EXPECT_EQ(write.rows[3].row->info.version, 2u);
}

TEST_P(DraftTest, WhatIsDroppedChangesNothing) {
  {
    Draft dropped(overlay_, {4});
    put(dropped, "a", "other");
    remove(dropped, "b");
    EXPECT_FALSE(dropped.empty());
  }
  EXPECT_EQ(draft_.get("a")->value, "1");
  EXPECT_EQ(draft_.get("b")->value, "2");
  EXPECT_TRUE(draft_.empty());
  EXPECT_FALSE(remove(draft_, "never"));
  EXPECT_TRUE(draft_.empty());
}

TEST_P(DraftTest, CountsWhatOneEntryMayChange) {
  const uint64_t half = kRangeBytesMax / 2;
  put(draft_, "k", std::string(half, 'v'));
  EXPECT_TRUE(draft_.has_room(half - 1));
  EXPECT_FALSE(draft_.has_room(half));
  put(draft_, "k", "small");  // takes the place of the large one
  EXPECT_TRUE(draft_.has_room(kRangeBytesMax - 6));
  EXPECT_FALSE(draft_.has_room(kRangeBytesMax - 5));
  remove(draft_, "k");
  EXPECT_TRUE(draft_.has_room(kRangeBytesMax - 1));

  for (uint64_t i = 2; i < kRangeKeysMax; ++i) put(draft_, fmt::format("n{:06}", i), "");
  EXPECT_FALSE(draft_.keys("n", "")->empty());
  EXPECT_TRUE(draft_.has_room(0));
  put(draft_, "n", "");
  EXPECT_FALSE(draft_.has_room(0));
  EXPECT_EQ(draft_.keys("n", "o")->size(), kRangeKeysMax - 1);
  EXPECT_FALSE(draft_.keys("a", ""));  // more lie below
}

INSTANTIATE_TEST_SUITE_P(Engines, DraftTest, testing::ValuesIn(store_kinds()), store_name);

}  // namespace
}  // namespace holdfast
