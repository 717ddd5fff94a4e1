#include "client/cli/options.h"

#include <map>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

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
