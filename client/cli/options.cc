#include "client/cli/options.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/record.h"
#include "storage/base/text.h"

namespace holdfast::cli {

void add_consistency_option(CLI::App& app, Consistency& consistency) {
  static const std::map<std::string, Consistency> levels{
      {"linearizable", Consistency::kLinearizable}, {"local", Consistency::kLocal}};
  app.add_option("--consistency", consistency,
                 "linearizable: sees every acknowledged write; local: what the asked node has")
      ->type_name("LEVEL")
      ->transform(CLI::CheckedTransformer(levels).description(""))
      ->default_str("linearizable");
}

void add_moment_options(CLI::App& app, Moment& moment) {
  add_consistency_option(app, moment.consistency);
  CLI::Option* const revision =
      app.add_option("--revision", moment.revision, "As it was at revision N")
          ->type_name("N")
          ->check(CLI::Range(uint64_t{1}, uint64_t{UINT64_MAX}));
  app.add_option("--at", moment.at, "As it was then, as 2026-11-25T14:03:05Z")
      ->type_name("TIME")
      ->excludes(revision);
}

void add_explain_option(CLI::App& app, bool& explains) {
  app.add_flag("--explain", explains,
               "Also say on standard error where the time went, and how a read was served");
}

void print_explanation(const Session& session, const KvClient& client) {
  const Explanation& explanation = client.explanation();
  if (explanation.timing.empty()) return;
  std::fflush(stdout);
  if (session.is_json()) {
    fmt::print(stderr, "{{{},{},{}}}\n", json_member("node", explanation.node),
               json_member("timing", explanation.timing), json_member("read", explanation.read));
  } else {
    fmt::print(stderr, "{}", spoken(explanation));
  }
}

std::string spoken(const Explanation& explanation) {
  // "queue;dur=0.041, log;dur=0.312" and "linearizable; confirmed=here; served=memory; stale-ms=0"
  static const std::map<std::string, std::string, std::less<>> words{
      {"confirmed=here", "confirmed here, by the leader"},
      {"confirmed=leader", "confirmed by the leader, which was asked"},
      {"served=memory", "read from memory"},
      {"served=reader", "read by a reader thread"},
      {"stale-ms=0", "stale by nothing"},
      {"stale-ms=unknown", "stale by nobody knows how much"}};
  std::string timing;
  std::string_view rest = explanation.timing;
  while (!rest.empty()) {
    const std::string_view stage = rest.substr(0, rest.find(", "));
    rest.remove_prefix(std::min(rest.size(), stage.size() + 2));
    const size_t semicolon = stage.find(";dur=");
    if (semicolon == std::string_view::npos) continue;
    timing += fmt::format("{}{} {} ms", timing.empty() ? "" : ", ", stage.substr(0, semicolon),
                          stage.substr(semicolon + 5));
  }
  std::string read;
  rest = explanation.read;
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find("; "));
    rest.remove_prefix(std::min(rest.size(), part.size() + 2));
    const auto word = words.find(part);
    const std::string text = word != words.end() ? word->second
                             : part.starts_with("stale-ms=")
                                 ? fmt::format("stale by {} ms at most", part.substr(9))
                                 : std::string(part);
    read += (read.empty() ? "" : "; ") + text;
  }
  return fmt::format("{}: {}\n{}{}", explanation.node, timing, read, read.empty() ? "" : "\n");
}

CLI::Option* add_duration_option(CLI::App& app, const char* name, Duration& target,
                                 const char* help) {
  return app
      .add_option_function<std::string>(
          name,
          [&target](const std::string& text) {
            const std::optional<Duration> duration = parse_duration(text);
            if (!duration || *duration == Duration::zero())
              throw CLI::ValidationError("'" + text +
                                         "' is not a duration: write 250ms, 30s, 5m or 2h");
            target = *duration;
          },
          help)
      ->type_name("TIME");
}

}  // namespace holdfast::cli
