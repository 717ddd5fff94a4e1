#include "bench/drill/history.h"

#include <cerrno>
#include <fstream>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace holdfast::drill {
namespace {

std::string system_words() {
  return std::generic_category().message(errno);
}

}  // namespace

Name Names::number_of(std::string_view text) {
  if (const auto known = numbers_.find(text); known != numbers_.end()) return known->second;
  texts_.emplace_back(text);
  const auto number = static_cast<Name>(texts_.size());
  numbers_.emplace(texts_.back(), number);
  return number;
}

void join(History& history, const History& other) {
  const auto renamed = [&](Name name) {
    return name == 0 ? 0 : history.names.number_of(other.names.text(name));
  };
  const auto rename_acts = [&](std::vector<Act>& acts) {
    for (Act& act : acts) {
      act.key = renamed(act.key);
      act.value = renamed(act.value);
      act.found_value = renamed(act.found_value);
    }
  };
  for (Operation operation : other.operations) {
    operation.client = renamed(operation.client);
    operation.node = renamed(operation.node);
    for (Compare& compare : operation.compares) {
      compare.key = renamed(compare.key);
      compare.value = renamed(compare.value);
    }
    rename_acts(operation.then);
    rename_acts(operation.otherwise);
    history.operations.push_back(std::move(operation));
  }
}

Result<History> read_history(const std::string& file) {
  std::ifstream in(file);
  if (!in)
    return fail(ErrorCode::kIo, fmt::format("'{}' cannot be read: {}", file, system_words()));
  History history;
  std::string line;
  for (size_t number = 1; std::getline(in, line); ++number) {
    if (line.empty()) continue;
    if (const Result<> read = read_line(line, history); !read)
      return fail(ErrorCode::kInvalid,
                  fmt::format("{}:{}: {}", file, number, read.error().message));
  }
  if (in.bad())
    return fail(ErrorCode::kIo, fmt::format("'{}' cannot be read whole: {}", file, system_words()));
  if (history.operations.empty())
    return fail(ErrorCode::kInvalid, fmt::format("'{}' holds no operation", file));
  return history;
}

Result<> write_history(const History& history, const std::string& file) {
  std::ofstream out(file, std::ios::trunc);
  for (const Operation& operation : history.operations) out << line_of(operation, history.names);
  out.close();
  if (!out)
    return fail(ErrorCode::kIo, fmt::format("'{}' cannot be written: {}", file, system_words()));
  return {};
}

}  // namespace holdfast::drill
