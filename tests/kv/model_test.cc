// Random commands, flushes and crashes against the dumb model, on both engines.

#include <gtest/gtest.h>

#include "tests/kv/expect_same.h"

namespace holdfast {
namespace {

class Story {
 public:
  Story(StoreKind kind, uint64_t seed) : random_(seed), store_(make_store(kind)) { reopen(); }

  void step() {
    const uint64_t draw = random_.below(100);
    if (draw < 80) {
      extend();
      apply_rest();
    } else if (draw < 88) {
      store_->engine().start_flush();
    } else if (draw < 91) {
      ASSERT_TRUE(store_->engine().flush());
      EXPECT_EQ(machine_->durable(), machine_->applied().index);
    } else if (draw < 95) {
      check();
    } else {
      crash();
    }
  }

  void check() {
    expect_same(model_, *machine_, store_->engine());
    expect_same_past(model_, store_->engine(), {1}, random_, 5);
  }

  void crash() {
    const LogIndex durable = machine_->durable();
    machine_.reset();
    store_->crash(random_);
    reopen();
    ASSERT_GE(machine_->applied().index, durable);
    ASSERT_LE(machine_->applied().index.value, log_.size());
    EXPECT_EQ(machine_->durable(), machine_->applied().index);
    // What is left is exactly what the log makes up to the position found.
    model_ = KvModel();
    for (uint64_t i = 0; i < machine_->applied().index.value; ++i) model_.apply(*log_[i]);
    check();
    apply_rest();
  }

 private:
  void reopen() {
    auto machine = KvStateMachine::open(store_->engine(), 4096);
    ASSERT_TRUE(machine) << machine.error().message;
    machine_ = std::move(*machine);
  }

  void extend() {
    const uint64_t more = random_.chance(0.3) ? 1 : random_.between(1, 30);
    for (uint64_t i = 0; i < more; ++i) {
      // Revisions move within a batch; that the guess trails behind is part of the mix.
      log_.push_back(
          random_entry(random_, {log_.size() + 1}, model_.summary().revision + random_.below(3)));
    }
  }

  // Gives the machine all that the log holds beyond it, in pieces.
  void apply_rest() {
    while (machine_->applied().index.value < log_.size()) {
      const size_t first = machine_->applied().index.value;
      const size_t count = random_.between(1, log_.size() - first);
      std::vector<Completion> completions;
      machine_->apply(std::span(log_).subspan(first, count), kSelf, completions);

      size_t answered = 0;
      for (size_t i = first; i < first + count; ++i) {
        const Reply expected = model_.apply(*log_[i]);
        if (log_[i]->origin.node != kSelf) continue;
        ASSERT_LT(answered, completions.size());
        EXPECT_EQ(completions[answered].request, log_[i]->origin.request);
        ASSERT_EQ(completions[answered].reply, expected) << "entry " << i + 1;
        ++answered;
      }
      EXPECT_EQ(answered, completions.size());
      ASSERT_EQ(machine_->summary(), model_.summary());
      EXPECT_LE(machine_->durable(), machine_->applied().index);
    }
  }

  Random random_;
  std::unique_ptr<TestStore> store_;
  std::unique_ptr<KvStateMachine> machine_;
  std::vector<EntryPtr> log_;
  KvModel model_;
};

class ModelTest : public testing::TestWithParam<StoreKind> {};

TEST_P(ModelTest, TheStateIsWhatTheLogMakesIt) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Story story(GetParam(), seed);
    for (int i = 0; i < 150 && !HasFatalFailure(); ++i) story.step();
    story.check();
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, ModelTest, testing::ValuesIn(store_kinds()), store_name);

}  // namespace
}  // namespace holdfast
