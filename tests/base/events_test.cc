#include "storage/base/events.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace holdfast {
namespace {

class StoppedClock final : public Clock {
 public:
  Instant now() const override { return Instant(std::chrono::hours(1)); }
  WallTime wall() const override { return WallTime(std::chrono::seconds(1'700'000'000)); }
};

class EventsTest : public testing::Test {
 protected:
  void tell(const std::string& text) { events.tell({.kind = EventKind::kRole, .text = text}); }

  StoppedClock clock;
  Events events{clock, 7};
};

TEST_F(EventsTest, AreNumberedFromOneAndBearTheirTimeAndTerm) {
  EXPECT_EQ(events.newest(), 0U);
  EXPECT_EQ(events.oldest(), 1U);
  EXPECT_TRUE(events.behind(0, 10).empty());
  events.follow({4});
  tell("a");
  events.follow({5});
  tell("b");
  const std::vector<Events::Kept> kept = events.behind(0, 10);
  ASSERT_EQ(kept.size(), 2U);
  EXPECT_EQ(kept[0].number, 1U);
  EXPECT_EQ(kept[0].term, Term{4});
  EXPECT_EQ(kept[0].wall_ms, 1'700'000'000'000U);
  EXPECT_EQ(kept[1].event.text, "b");
  EXPECT_EQ(kept[1].term, Term{5});
  EXPECT_EQ(events.behind(0, 1).size(), 1U);
  EXPECT_EQ(events.behind(1, 10).front().number, 2U);
  EXPECT_EQ(events.count(EventKind::kRole), 2U);
  EXPECT_EQ(events.count(EventKind::kFence), 0U);
}

TEST_F(EventsTest, KeepTheNewestAndForgetTheOldest) {
  for (size_t i = 0; i < Events::kKeptMax + 5; ++i) tell(std::to_string(i));
  EXPECT_EQ(events.oldest(), 6U);
  EXPECT_EQ(events.newest(), Events::kKeptMax + 5);
  const std::vector<Events::Kept> kept = events.behind(2, 2 * Events::kKeptMax);
  EXPECT_EQ(kept.size(), Events::kKeptMax);
  EXPECT_EQ(kept.front().number, 6U);
}

TEST_F(EventsTest, AreBoundedAndCutNoCharacterInTwo) {
  std::string text;
  while (text.size() < 2 * Events::kTextBytesMax) text += "ü";
  events.tell({.kind = EventKind::kRoom, .text = "x" + text, .fields = {{"why", text}}});
  const Event kept = events.behind(0, 1).front().event;
  const auto& why = std::get<std::string>(kept.fields.front().second);
  for (const std::string& cut : {kept.text, why}) {
    EXPECT_LE(cut.size(), Events::kTextBytesMax);
    EXPECT_GT(cut.size(), Events::kTextBytesMax - 8);
    EXPECT_TRUE(cut.ends_with("ü…")) << cut.substr(cut.size() - 8);
  }
}

TEST_F(EventsTest, NoNumberIsGivenTwiceWhoeverTells) {
  constexpr size_t kEach = 200;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([this] {
      for (size_t n = 0; n < kEach; ++n) tell("t");
    });
  for (std::thread& thread : threads) thread.join();
  const std::vector<Events::Kept> kept = events.behind(0, Events::kKeptMax);
  ASSERT_EQ(kept.size(), 4 * kEach);
  for (size_t i = 0; i < kept.size(); ++i) EXPECT_EQ(kept[i].number, i + 1);
}

TEST(EventKinds, HaveNames) {
  for (size_t kind = 0; kind < kEventKinds; ++kind)
    EXPECT_FALSE(name_of(static_cast<EventKind>(kind)).empty());
  EXPECT_EQ(name_of(EventKind::kRoom), "room");
  EXPECT_EQ(name_of(EventKind::kFence), "fence");
}

}  // namespace
}  // namespace holdfast
