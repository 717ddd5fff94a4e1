#include "bench/drill/checker.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "bench/drill/counterexample.h"
#include "bench/drill/words.h"
#include "storage/base/text.h"

namespace holdfast::drill {
namespace {

constexpr size_t kViolationsMax = 5;  // one is enough; more only help to see what is wrong
constexpr size_t kLinesMax = 24;      // of one

// Keys that a transaction touches together belong together.
class Joints {
 public:
  explicit Joints(size_t keys) : parents_(keys + 1) {
    std::iota(parents_.begin(), parents_.end(), 0);
  }

  Name root_of(Name key) {
    while (parents_[key] != key) key = parents_[key] = parents_[parents_[key]];
    return key;
  }
  void join(Name one, Name other) { parents_[root_of(one)] = root_of(other); }

 private:
  std::vector<Name> parents_;
};

template <class Visit>
void for_each_key(const Operation& operation, const Visit& visit) {
  for (const Compare& compare : operation.compares) visit(compare.key);
  for (const Act& act : operation.then) visit(act.key);
  for (const Act& act : operation.otherwise) visit(act.key);
}

bool is_searched(const Operation& operation) {
  if (operation.outcome == Outcome::kRefused || operation.is_local_read()) return false;
  // A read without an answer says nothing.
  return operation.kind != Kind::kGet || operation.outcome == Outcome::kOk;
}

std::vector<Question> components_of(const History& history) {
  Joints joints(history.names.size());
  std::vector<uint32_t> order;
  for (uint32_t number = 0; number < history.operations.size(); ++number) {
    const Operation& operation = history.operations[number];
    if (!is_searched(operation)) continue;
    order.push_back(number);
    const Name first = operation.then.empty()
                           ? operation.otherwise.empty() ? 0 : operation.otherwise.front().key
                           : operation.then.front().key;
    for_each_key(operation, [&](Name key) { joints.join(first == 0 ? key : first, key); });
  }
  std::ranges::sort(order, {}, [&](uint32_t number) {
    return std::pair(history.operations[number].start, number);
  });
  std::unordered_map<Name, size_t> place;
  std::vector<Question> components;
  for (const uint32_t number : order) {
    Name root = 0;
    for_each_key(history.operations[number], [&](Name key) { root = joints.root_of(key); });
    if (root == 0) continue;  // it touches nothing
    const auto [found, is_new] = place.try_emplace(root, components.size());
    if (is_new) components.emplace_back();
    Question& component = components[found->second];
    component.operations.push_back(number);
    for_each_key(history.operations[number], [&](Name key) { component.keys.push_back(key); });
  }
  for (Question& component : components) {
    std::ranges::sort(component.keys);
    const auto doubled = std::ranges::unique(component.keys);
    component.keys.erase(doubled.begin(), doubled.end());
  }
  return components;
}

class Check {
 public:
  Check(const History& history, const Budget& budget)
      : history_(history), budget_(budget), versions_(history), search_(history, versions_) {
    origin_ = history.operations.empty() ? 0 : history.operations.front().start;
    for (const Operation& operation : history.operations)
      origin_ = std::min(origin_, operation.start);
  }

  Verdict run() {
    count();
    for (const Contradiction& found : versions_.contradictions()) {
      if (verdict_.violations.size() >= kViolationsMax) break;
      verdict_.violations.push_back({found.what, lines_of(found.operations)});
    }
    const std::vector<Question> components = components_of(history_);
    verdict_.components = components.size();
    for (const Question& component : components) {
      verdict_.keys += component.keys.size();
      if (verdict_.violations.size() < kViolationsMax) examine(component);
    }
    return std::move(verdict_);
  }

 private:
  void count() {
    verdict_.operations = history_.operations.size();
    for (const Operation& operation : history_.operations) {
      verdict_.refused += operation.outcome == Outcome::kRefused ? 1 : 0;
      verdict_.unknown += operation.outcome == Outcome::kUnknown ? 1 : 0;
      verdict_.local_reads += operation.is_local_read() ? 1 : 0;
    }
  }

  void examine(const Question& component) {
    const Answer answer = search_.find_order(component, budget_);
    verdict_.steps += search_.steps();
    if (answer == Answer::kOrder) return;
    if (answer == Answer::kGaveUp) {
      verdict_.undecided.push_back(
          fmt::format("{} on {}: no order found within {} steps, and none excluded",
                      counted(component.operations.size(), "operation"), keys_of(component),
                      with_commas(search_.steps())));
      return;
    }
    const Counterexample shown = smallest(search_, history_, versions_, component);
    Violation violation{
        fmt::format("no order of the operations on {} explains what {} was told",
                    keys_of(component), history_.names.text(client_of(shown.culprit))),
        {}};
    if (!shown.begins_whole)
      violation.lines.push_back("(whatever the keys held before: it does not help)");
    add_lines(shown, violation);
    verdict_.violations.push_back(std::move(violation));
  }

  void add_lines(const Counterexample& shown, Violation& violation) const {
    // What has no answer may have happened at any time: it was tried, wherever it could help.
    std::vector<uint32_t> told = shown.operations;
    const size_t open =
        std::erase_if(told, [&](uint32_t number) { return versions_.end_of(number) == kOpen; });
    const size_t skipped = told.size() > kLinesMax ? told.size() - kLinesMax : 0;
    if (skipped > 0)
      violation.lines.push_back(fmt::format("({} before these)", counted(skipped, "operation")));
    for (size_t i = skipped; i < told.size(); ++i) {
      std::string line = words_of(told[i]);
      if (told[i] == shown.culprit) line += "   <- cannot be";
      violation.lines.push_back(std::move(line));
    }
    if (open > 0)
      violation.lines.push_back(
          fmt::format("({} without an answer, which would not help)", counted(open, "change")));
  }

  Name client_of(uint32_t number) const { return history_.operations[number].client; }

  std::string words_of(uint32_t number) const {
    return in_words(history_.operations[number], history_.names, origin_);
  }

  std::vector<std::string> lines_of(const std::vector<uint32_t>& operations) const {
    std::vector<std::string> lines;
    lines.reserve(operations.size());
    for (const uint32_t number : operations) lines.push_back(words_of(number));
    return lines;
  }

  std::string keys_of(const Question& component) const {
    constexpr size_t kShown = 4;
    std::string text;
    for (size_t i = 0; i < component.keys.size() && i < kShown; ++i)
      text += (i == 0 ? "" : ", ") + history_.names.text(component.keys[i]);
    if (component.keys.size() > kShown)
      text += fmt::format(" and {} more", component.keys.size() - kShown);
    return text;
  }

  const History& history_;
  const Budget budget_;
  const Versions versions_;
  Search search_;
  int64_t origin_ = 0;
  Verdict verdict_;
};

}  // namespace

Verdict check(const History& history, const Budget& budget) {
  return Check(history, budget).run();
}

std::string spoken(const Verdict& verdict) {
  const std::string operations = counted(verdict.operations, "operation");
  if (!verdict.violations.empty())
    return fmt::format("{} found in {}", counted(verdict.violations.size(), "violation"),
                       operations);
  if (!verdict.undecided.empty())
    return fmt::format("not decided: the check gave up on {} of {} of keys, in {}",
                       verdict.undecided.size(), counted(verdict.components, "group"), operations);
  return fmt::format("no violation found in {}", operations);
}

}  // namespace holdfast::drill
