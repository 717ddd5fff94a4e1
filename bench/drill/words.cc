#include "bench/drill/words.h"

#include <fmt/format.h>

namespace holdfast::drill {
namespace {

std::string quoted(Name name, const Names& names) {
  constexpr size_t kShown = 40;
  const std::string& text = names.text(name);
  return text.size() <= kShown ? fmt::format("\"{}\"", text)
                               : fmt::format("\"{}…\"", text.substr(0, kShown));
}

std::string found_words(const Act& act, const Names& names) {
  if (act.found == Found::kUntold) return "something";
  if (act.found == Found::kAbsent) return "nothing";
  std::string words = act.found_value != 0 ? quoted(act.found_value, names) : "a value";
  if (act.found_revision != 0) words += fmt::format(" (revision {})", act.found_revision);
  return words;
}

std::string asked(const Act& act, const Names& names) {
  const std::string& key = names.text(act.key);
  if (act.kind == Kind::kPut) return fmt::format("put {} = {}", key, quoted(act.value, names));
  return fmt::format("{} {}", act.kind == Kind::kGet ? "get" : "delete", key);
}

std::string compare_words(const Compare& compare, const Names& names) {
  const std::string& key = names.text(compare.key);
  switch (compare.target) {
    case Compare::Target::kExists:
      return fmt::format("{} is {}there", key,
                         (compare.revision == 1) == compare.is_equal ? "" : "not ");
    case Compare::Target::kValue:
      return fmt::format("{} is {}{}", key, compare.is_equal ? "" : "not ",
                         quoted(compare.value, names));
    case Compare::Target::kRevision:
      return fmt::format("{} is {}at revision {}", key, compare.is_equal ? "" : "not ",
                         compare.revision);
  }
  return "";
}

std::string request_words(const Operation& operation, const Names& names) {
  std::string words;
  if (operation.is_local_read()) words += "local ";
  for (size_t i = 0; i < operation.then.size(); ++i)
    words += (i == 0 ? "" : ", ") + asked(operation.then[i], names);
  for (size_t i = 0; i < operation.compares.size(); ++i)
    words += (i == 0 ? " if " : " and ") + compare_words(operation.compares[i], names);
  if (operation.kind != Kind::kTxn) return words;
  for (size_t i = 0; i < operation.otherwise.size(); ++i)
    words += (i == 0 ? ", else " : ", ") + asked(operation.otherwise[i], names);
  return words;
}

std::string answer_words(const Operation& operation, const Names& names) {
  if (operation.outcome == Outcome::kRefused) return "refused";
  if (operation.outcome == Outcome::kUnknown) return "no answer: unknown";
  std::string words = "ok";
  if (operation.branch == Branch::kElse) words = "the condition did not hold";
  for (const Act& act : operation.acts(operation.branch)) {
    if (act.kind == Kind::kGet &&
        (act.found != Found::kUntold || operation.branch == Branch::kThen))
      words += fmt::format(
          ", found {}{}", found_words(act, names),
          operation.kind == Kind::kTxn ? fmt::format(" under {}", names.text(act.key)) : "");
    if (act.kind == Kind::kPut && act.found != Found::kUntold)
      words += act.found == Found::kAbsent ? ", created" : ", replaced";
    if (act.kind == Kind::kDelete && act.found == Found::kAbsent) words += ", nothing was there";
  }
  if (operation.revision != 0) words += fmt::format(", revision {}", operation.revision);
  return words;
}

// Short histories are written by hand, in small numbers.
std::string at(int64_t moment, int64_t origin) {
  if (moment < 1'000'000) return fmt::format("{}", moment);
  return fmt::format("{:.4f} s", static_cast<double>(moment - origin) / 1e9);
}

}  // namespace

std::string in_words(const Operation& operation, const Names& names, int64_t origin) {
  std::string words = names.text(operation.client);
  if (operation.node != 0) words += fmt::format(" at {}", names.text(operation.node));
  words += operation.end == kOpen
               ? fmt::format(", from {} on", at(operation.start, origin))
               : fmt::format(", {} to {}", at(operation.start, origin), at(operation.end, origin));
  return fmt::format("{}: {}: {}", words, request_words(operation, names),
                     answer_words(operation, names));
}

}  // namespace holdfast::drill
