#include "bench/drill/counterexample.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace holdfast::drill {
namespace {

// Of each try. One that ends without an answer leaves in what it was to leave out.
constexpr Budget kTryBudget{.steps_max = 200'000, .dead_ends_max = 1'000'000};
constexpr size_t kTriesMax = 400;

class Shrinking {
 public:
  Shrinking(Search& search, const History& history, const Versions& versions, Question question)
      : search_(search), history_(history), versions_(versions), best_(std::move(question)) {}

  Counterexample run() {
    end_early();
    begin_late();
    leave_out();
    return {.operations = best_.operations,
            .culprit = culprit_,
            .begins_whole = best_.initial == kAbsent};
  }

 private:
  const Operation& operation(uint32_t number) const { return history_.operations[number]; }

  // Takes `smaller` if it has certainly no order either.
  bool shrinks_to(Question smaller) {
    if (++tries_ > kTriesMax) return false;
    if (search_.find_order(smaller, kTryBudget) != Answer::kNoOrder) return false;
    best_ = std::move(smaller);
    return true;
  }

  Question until(int64_t moment) const {
    Question part = best_;
    part.until = moment;
    std::erase_if(part.operations,
                  [&](uint32_t number) { return operation(number).start > moment; });
    return part;
  }

  // The first answer up to which there is no order any more.
  void end_early() {
    std::vector<uint32_t> ended = best_.operations;
    std::erase_if(ended, [&](uint32_t number) { return is_open(number); });
    std::ranges::sort(ended, {}, [&](uint32_t number) { return versions_.end_of(number); });
    size_t low = 0;
    size_t high = ended.size() - 1;  // up to here there is none
    while (low < high) {
      const size_t middle = low + (high - low) / 2;
      if (shrinks_to(until(versions_.end_of(ended[middle]))))
        high = middle;
      else
        low = middle + 1;
    }
    culprit_ = ended[high];
  }

  bool is_open(uint32_t number) const { return versions_.end_of(number) == kOpen; }

  // Where nothing that has an end was on its way, all of that before may be left out, and each key
  // may then have held anything: if not even that helps, the rest alone shows it.
  void begin_late() {
    const std::vector<uint32_t> all = best_.operations;
    std::vector<size_t> quiet;
    int64_t latest = kOpen;  // the end of what came before; open: nothing did
    for (size_t i = 0; i < all.size(); ++i) {
      if (is_open(all[i])) continue;
      if (latest != kOpen && operation(all[i]).start > latest) quiet.push_back(i);
      const int64_t end = versions_.end_of(all[i]);
      latest = latest == kOpen ? end : std::max(latest, end);
    }
    size_t low = 0;
    size_t high = quiet.size();
    while (low < high) {
      const size_t middle = low + (high - low) / 2;
      Question part = best_;
      part.operations.clear();
      for (size_t i = 0; i < all.size(); ++i)
        if (i >= quiet[middle] || is_open(all[i])) part.operations.push_back(all[i]);
      part.initial = kAnything;
      if (shrinks_to(std::move(part)))
        low = middle + 1;
      else
        high = middle;
    }
  }

  // Without a read what is left may become possible; if not, it was not needed. A write is, for
  // those who saw it.
  void leave_out() {
    for (size_t i = best_.operations.size(); i-- > 0;) {
      const uint32_t number = best_.operations[i];
      if (number == culprit_ || !only_reads(operation(number))) continue;
      Question part = best_;
      part.operations.erase(part.operations.begin() + static_cast<ptrdiff_t>(i));
      shrinks_to(std::move(part));
    }
  }

  static bool only_reads(const Operation& operation) {
    return operation.branch != Branch::kUntold &&
           std::ranges::all_of(operation.acts(operation.branch),
                               [](const Act& act) { return act.kind == Kind::kGet; });
  }

  Search& search_;
  const History& history_;
  const Versions& versions_;
  Question best_;
  uint32_t culprit_ = 0;
  size_t tries_ = 0;
};

}  // namespace

Counterexample smallest(Search& search, const History& history, const Versions& versions,
                        const Question& whole) {
  return Shrinking(search, history, versions, whole).run();
}

}  // namespace holdfast::drill
