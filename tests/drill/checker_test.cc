// The check of histories: known-good and known-bad ones that are kept as files, random ones of a
// store without a fault and with planted ones, and tiny ones against the definition itself.

#include "bench/drill/checker.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/micro/imagined_history.h"

namespace holdfast::drill {
namespace {

std::vector<std::string> kept(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(HOLDFAST_HISTORIES) + "/" + folder))
    files.push_back(entry.path().string());
  std::ranges::sort(files);
  return files;
}

std::string name_of(const testing::TestParamInfo<std::string>& info) {
  return std::filesystem::path(info.param).stem().string();
}

std::string shown(const Verdict& verdict) {
  std::string text = spoken(verdict);
  for (const Violation& violation : verdict.violations) {
    text += "\n" + violation.title;
    for (const std::string& line : violation.lines) text += "\n  " + line;
  }
  return text;
}

class GoodHistory : public testing::TestWithParam<std::string> {};
class BadHistory : public testing::TestWithParam<std::string> {};

TEST_P(GoodHistory, HasNoViolation) {
  const Result<History> history = read_history(GetParam());
  ASSERT_TRUE(history.has_value()) << history.error().message;
  const Verdict verdict = check(*history);
  EXPECT_TRUE(verdict.is_clean()) << shown(verdict);
}

TEST_P(BadHistory, IsFoundAndShown) {
  const Result<History> history = read_history(GetParam());
  ASSERT_TRUE(history.has_value()) << history.error().message;
  const Verdict verdict = check(*history);
  ASSERT_FALSE(verdict.violations.empty()) << shown(verdict);
  EXPECT_THAT(verdict.undecided, testing::IsEmpty());
  for (const Violation& violation : verdict.violations)
    EXPECT_THAT(violation.lines, testing::Not(testing::IsEmpty())) << violation.title;
}

INSTANTIATE_TEST_SUITE_P(Kept, GoodHistory, testing::ValuesIn(kept("good")), name_of);
INSTANTIATE_TEST_SUITE_P(Kept, BadHistory, testing::ValuesIn(kept("bad")), name_of);

TEST(Counterexample, LeavesOutWhatIsNotNeeded) {
  const Result<History> history =
      read_history(std::string(HOLDFAST_HISTORIES) + "/bad/needle_in_a_haystack.ndjson");
  ASSERT_TRUE(history.has_value());
  const Verdict verdict = check(*history);
  ASSERT_EQ(verdict.violations.size(), 1);
  // The last write, the stale read, and that it does not matter what was before them.
  EXPECT_EQ(verdict.violations[0].lines.size(), 3) << shown(verdict);
  EXPECT_THAT(verdict.violations[0].lines.back(), testing::HasSubstr("cannot be"));
}

TEST(HistoryLine, IsReadAsItWasWritten) {
  for (const char* const folder : {"good", "bad"}) {
    for (const std::string& file : kept(folder)) {
      const Result<History> history = read_history(file);
      ASSERT_TRUE(history.has_value());
      for (const Operation& operation : history->operations) {
        const std::string line = line_of(operation, history->names);
        History again;
        const Result<> read = read_line(line, again);
        ASSERT_TRUE(read.has_value()) << read.error().message << ": " << line;
        EXPECT_EQ(line_of(again.operations.at(0), again.names), line);
      }
    }
  }
}

TEST(HistoryLine, SaysWhatIsWrongWithIt) {
  const std::vector<std::pair<std::string, std::string>> lines = {
      {"[]", "this is no JSON object"},
      {"{", "this is no JSON object"},
      {R"({"op":"get","key":"k","start":1,"outcome":"unknown"})", "'client' is missing"},
      {R"({"client":"a","op":"peek","key":"k","start":1,"outcome":"ok"})", "'peek'"},
      {R"({"client":"a","op":"get","key":"k","start":1,"outcome":"ok"})", "'end' is missing"},
      {R"({"client":"a","op":"get","key":"k","start":3,"end":2,"outcome":"ok","found":null})",
       "it ends before it starts"},
      {R"({"client":"a","op":"get","key":"k","start":1,"end":2,"outcome":"ok"})",
       "'found' is missing"},
      {R"({"client":"a","op":"put","key":"k","start":1,"end":2,"outcome":"ok"})",
       "'value' is missing"},
      {R"({"client":"a","op":"put","key":"k","value":"x","if_revision":3,"start":1,"end":2,"outcome":"ok"})",
       "'met' is missing"},
      {R"({"client":"a","op":"txn","if":[],"then":[{"get":{"key":"k"}}],"start":1,"end":2,"outcome":"ok","succeeded":true,"results":[]})",
       "'results' are not 1"},
      {R"({"client":"a","op":"txn","if":[{"key":"k","target":"lease","op":"==","value":"x"}],"then":[],"start":1,"outcome":"unknown"})",
       "'lease'"},
  };
  for (const auto& [line, message] : lines) {
    History history;
    const Result<> read = read_line(line, history);
    ASSERT_FALSE(read.has_value()) << line;
    EXPECT_THAT(read.error().message, testing::HasSubstr(message));
  }
}

TEST(ImaginedHistory, OfAStoreWithoutAFaultHasNoViolation) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const bool has_revisions = seed % 3 != 0;
    const History history = imagine({.operations = 3000,
                                     .keys = 40,
                                     .unknown = seed % 2 == 0 ? 0.002 : 0.01,
                                     .has_revisions = has_revisions},
                                    Random(seed));
    const Verdict verdict = check(history);
    EXPECT_TRUE(verdict.is_clean()) << "seed " << seed << ": " << shown(verdict);
  }
}

TEST(ImaginedHistory, WithOneStaleReadIsRejected) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    History history =
        imagine({.operations = 4000, .keys = 20, .has_revisions = seed % 2 == 0}, Random(seed));
    Random random(seed);
    // The answer of a read becomes that of another one of the same key, from long before or after.
    std::vector<Act*> reads;
    std::vector<int64_t> starts;
    for (Operation& operation : history.operations) {
      if (operation.kind != Kind::kGet || operation.outcome != Outcome::kOk) continue;
      if (operation.then[0].found != Found::kPresent) continue;
      reads.push_back(&operation.then[0]);
      starts.push_back(operation.start);
    }
    for (size_t tries = 0;; ++tries) {
      ASSERT_LT(tries, 100'000);
      const size_t one = random.below(reads.size());
      const size_t other = random.below(reads.size());
      if (reads[one]->key != reads[other]->key || starts[one] < starts[other] + 50'000'000)
        continue;
      reads[one]->found_value = reads[other]->found_value;
      reads[one]->found_revision = reads[other]->found_revision;
      break;
    }
    EXPECT_FALSE(check(history).violations.empty()) << "seed " << seed;
  }
}

TEST(Checker, OneThatGivesUpIsNoPass) {
  const History history = imagine({.operations = 2000, .keys = 4, .unknown = 0.1}, Random(7));
  const Verdict verdict = check(history, {.steps_max = 10});
  EXPECT_FALSE(verdict.is_clean());
  EXPECT_THAT(verdict.violations, testing::IsEmpty());
  EXPECT_THAT(spoken(verdict), testing::StartsWith("not decided"));
}

// The definition itself, for a few operations: every order of every choice of the unknown ones.
class ByForce {
 public:
  explicit ByForce(const History& history) {
    for (const Operation& operation : history.operations) {
      if (operation.outcome == Outcome::kRefused) continue;
      if (operation.outcome == Outcome::kUnknown && operation.kind == Kind::kGet) continue;
      operations_.push_back(&operation);
    }
    is_placed_.resize(operations_.size());
  }

  bool is_linearizable() { return place({}); }

 private:
  using State = std::map<Name, Name>;

  bool place(const State& state) {
    bool is_done = true;
    for (size_t i = 0; i < operations_.size(); ++i)
      is_done &= is_placed_[i] || operations_[i]->outcome == Outcome::kUnknown;
    if (is_done) return true;
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (is_placed_[i] || !may_be_next(*operations_[i])) continue;
      State after = state;
      if (!answers_as_told(*operations_[i], after)) continue;
      is_placed_[i] = true;
      if (place(after)) return true;
      is_placed_[i] = false;
    }
    return false;
  }

  bool may_be_next(const Operation& operation) const {
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (!is_placed_[i] && operations_[i]->end < operation.start) return false;
    }
    return true;
  }

  static bool answers_as_told(const Operation& operation, State& state) {
    bool holds = true;
    for (const Compare& compare : operation.compares) {
      const auto held = state.find(compare.key);
      const bool is_there = held != state.end();
      if (compare.target == Compare::Target::kExists)
        holds &= (is_there == (compare.revision == 1)) == compare.is_equal;
      else
        holds &= is_there && (held->second == compare.value) == compare.is_equal;
    }
    const bool is_told = operation.outcome == Outcome::kOk;
    if (is_told && holds != (operation.branch == Branch::kThen)) return false;
    for (const Act& act : holds ? operation.then : operation.otherwise) {
      const auto held = state.find(act.key);
      const bool is_there = held != state.end();
      if (is_told && act.found != Found::kUntold) {
        if ((act.found == Found::kPresent) != is_there) return false;
        if (is_there && act.found_value != 0 && held->second != act.found_value) return false;
      }
      if (act.kind == Kind::kPut) state[act.key] = act.value;
      if (act.kind == Kind::kDelete) state.erase(act.key);
    }
    return true;
  }

  std::vector<const Operation*> operations_;
  std::vector<bool> is_placed_;
};

// Few values, so that a read seldom says which write it saw, and answers that were exchanged.
History tiny(uint64_t seed) {
  Random random(seed);
  History history = imagine({.operations = 4 + random.below(4),
                             .clients = 4,
                             .keys = 2,
                             .keys_joined = 2,
                             .unknown = 0.3,
                             .refused = 0.05,
                             .has_revisions = false,
                             .values = 2 + random.below(3)},
                            random.fork());
  for (Operation& operation : history.operations) {
    if (!random.chance(0.15) || operation.outcome != Outcome::kOk) continue;
    Act& act = operation.branch == Branch::kThen ? operation.then[0] : operation.otherwise[0];
    act.found = random.chance(0.5) ? Found::kAbsent : Found::kPresent;
    act.found_value = 0;
    if (act.kind == Kind::kGet && act.found == Found::kPresent)
      act.found_value = history.names.number_of("v" + std::to_string(random.below(3)));
  }
  return history;
}

TEST(Checker, AgreesWithTheDefinitionOnTinyHistories) {
  size_t linearizable = 0;
  constexpr size_t kTries = 6000;
  for (uint64_t seed = 1; seed <= kTries; ++seed) {
    const History history = tiny(seed);
    const Verdict verdict = check(history);
    ASSERT_THAT(verdict.undecided, testing::IsEmpty());
    const bool is_right = ByForce(history).is_linearizable();
    std::string lines;
    for (const Operation& operation : history.operations)
      lines += line_of(operation, history.names);
    ASSERT_EQ(verdict.is_clean(), is_right) << "seed " << seed << "\n" << lines << shown(verdict);
    linearizable += is_right ? 1 : 0;
  }
  // Neither answer is the usual one.
  EXPECT_GT(linearizable, kTries / 5);
  EXPECT_LT(linearizable, kTries * 9 / 10);
}

}  // namespace
}  // namespace holdfast::drill
