#include "bench/drill/check_command.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "client/cli/terminal.h"
#include "storage/base/text.h"

namespace holdfast::drill {

using cli::Color;
using cli::painted;

void print(const Verdict& verdict, const std::string& indent) {
  const bool is_clean = verdict.is_clean();
  fmt::print("{}{} {}\n", indent,
             painted(stdout, is_clean ? Color::kGreen : Color::kRed, is_clean ? "✓" : "✗"),
             spoken(verdict));
  for (const Violation& violation : verdict.violations) {
    fmt::print("{}  {}\n", indent, painted(stdout, Color::kRed, violation.title));
    for (const std::string& line : violation.lines) fmt::print("{}    {}\n", indent, line);
  }
  for (const std::string& what : verdict.undecided) fmt::print("{}  {}\n", indent, what);
}

Exit exit_of(const Verdict& verdict) {
  if (!verdict.violations.empty()) return Exit::kViolation;
  return verdict.undecided.empty() ? Exit::kClean : Exit::kUndecided;
}

Exit check_file(const std::string& file, Form form) {
  const Result<History> history = read_history(file);
  if (!history) {
    fmt::print(stderr, "{}\n", history.error().message);
    return Exit::kUsage;
  }
  const Verdict verdict = check(*history);
  if (form == Form::kJson) {
    nlohmann::json violations = nlohmann::json::array();
    for (const Violation& violation : verdict.violations)
      violations.push_back({{"title", violation.title}, {"lines", violation.lines}});
    const nlohmann::json shown = {{"verdict", spoken(verdict)},
                                  {"clean", verdict.is_clean()},
                                  {"operations", verdict.operations},
                                  {"refused", verdict.refused},
                                  {"unknown", verdict.unknown},
                                  {"local_reads", verdict.local_reads},
                                  {"keys", verdict.keys},
                                  {"groups", verdict.components},
                                  {"violations", violations},
                                  {"undecided", verdict.undecided}};
    fmt::print("{}\n", shown.dump(2));
    return exit_of(verdict);
  }
  if (!history->about.empty()) fmt::print("{}\n", history->about);
  fmt::print("{} on {} in {}: {} refused, {} without an answer, {}\n",
             counted(verdict.operations, "operation"), counted(verdict.keys, "key"),
             counted(verdict.components, "group"), with_commas(verdict.refused),
             with_commas(verdict.unknown), counted(verdict.local_reads, "local read"));
  print(verdict, "");
  return exit_of(verdict);
}

}  // namespace holdfast::drill
