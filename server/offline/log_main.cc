// `holdfast log dump`: what is in a node's log.

#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "server/offline/log_dump.h"
#include "server/recover/survey.h"
#include "storage/fs/posix.h"

namespace holdfast::offline {
namespace {

enum class Exit { kSound = 0, kOther = 1, kDamaged = 2 };

constexpr const char* kFooter =
    R"(Examples:
  holdfast log dump ./holdfast-data
  holdfast log dump ./holdfast-data --from 100 --to 120
  holdfast log dump ./holdfast-data --json | jq 'select(.kind == "command") | .text'

A line a record, in the order in which they lie: index, term, kind, the node and request that it
began with, when (the leader's calendar, and the cluster's clock), and what it is. Lines with '--'
are no entries: files, hard states, cuts, a torn tail, damage. Files are only read, so it works
beside a node that runs; its newest batch may then look torn, being written.

Exit codes: 0 read to its end; 1 wrong usage, or it cannot be read; 2 damage, named in its place.)";

int run(int argc, char** argv) {
  DumpOrder order;
  recover::Place place;
  CLI::App app("holdfast log: what is in a node's log.", "holdfast log");
  app.set_version_flag("--version", "holdfast-log " HOLDFAST_VERSION);
  app.require_subcommand(1);
  CLI::App* const dump = app.add_subcommand("dump", "Print the log of a data directory");
  app.add_flag("--json", order.as_json, "Print JSON, an object a line");
  dump->fallthrough();
  dump->add_option("DIR", place.data_dir, "The node's data directory")->required();
  dump->add_option("--from", order.from.value, "The first entry to show")->type_name("N");
  dump->add_option("--to", order.to.value, "The last one")->type_name("N");
  dump->add_option("--log-dir", place.log_dir, "Where the log is, as the node's --log-dir said")
      ->type_name("LOG-DIR");
  dump->footer(kFooter);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem) == 0 ? 0 : static_cast<int>(Exit::kOther);
  }
  order.directory = place.log_path();
  PosixReader reader;
  const Result<size_t> damaged = dump_log(reader, order);
  if (!damaged) {
    fmt::print(stderr, "holdfast log: {}\n", damaged.error().message);
    return static_cast<int>(Exit::kOther);
  }
  if (std::fflush(stdout) != 0) return static_cast<int>(Exit::kOther);
  return static_cast<int>(*damaged > 0 ? Exit::kDamaged : Exit::kSound);
}

}  // namespace
}  // namespace holdfast::offline

int main(int argc, char** argv) {
  return holdfast::offline::run(argc, argv);
}
