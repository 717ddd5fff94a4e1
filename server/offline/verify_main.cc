// `holdfast verify`: whether a backup, or a stopped node's data directory, is what was written.

#include <cstdio>
#include <filesystem>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "server/offline/progress_line.h"
#include "server/offline/verify.h"
#include "storage/base/random.h"
#include "storage/fs/posix.h"

namespace holdfast::offline {
namespace {

enum class Exit { kSound = 0, kOther = 1, kDamaged = 2, kInUse = 3 };

constexpr const char* kFooter =
    R"(Examples:
  holdfast verify monday.backup              its checksums; then its state is opened and read
  holdfast verify /var/lib/holdfast          a stopped node's data directory
  holdfast verify n1 --log-dir /fast         of a node that ran with --log-dir /fast

Reads all of it and changes nothing: of a backup every checksum, of a directory IDENTITY and every
record of the log; of both every block of the state, every row's hash, and the state's hash against
what the cluster had agreed on. A backup's state is unpacked into --scratch (room for all of it is
needed there), and removed again.

Exit codes: 0 sound; 1 wrong usage, or it cannot be read; 2 damaged, and where; 3 in use by a node.)";

struct Request {
  recover::Place place;
  std::string scratch;
  bool as_json = false;
};

Exit say(const Request& request, const Result<Report>& report) {
  if (!report) {
    fmt::print(stderr, "holdfast verify: {}\n", report.error().message);
    return Exit::kOther;
  }
  const bool is_sound = report->wrong.empty();
  if (request.as_json) {
    const nlohmann::json said = {
        {"sound", is_sound}, {"found", report->found}, {"wrong", report->wrong}};
    fmt::print("{}\n", said.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    for (const std::string& line : report->found) fmt::print("{}\n", line);
    for (const std::string& line : report->wrong) fmt::print("WRONG: {}\n", line);
    fmt::print("{}: {}\n", request.place.data_dir, is_sound ? "sound" : "damaged");
  }
  return is_sound ? Exit::kSound : Exit::kDamaged;
}

Exit run(const Request& request) {
  std::error_code unknown;
  if (!std::filesystem::is_directory(request.place.data_dir, unknown)) {
    PosixFileSystem fs;
    const std::string scratch =
        fmt::format("{}/holdfast-verify-{:016x}", request.scratch, random_from_system());
    return say(request, verify_backup(fs, request.place.data_dir, scratch, show_progress));
  }
  const Result<DirectoryLock> lock = DirectoryLock::take_to_read(request.place.data_dir);
  if (!lock && lock.error().code == ErrorCode::kInvalid) {
    fmt::print(stderr, "holdfast verify: {} is in use by a node: stop it first\n",
               request.place.data_dir);
    return Exit::kInUse;
  }
  if (!lock) return say(request, std::unexpected(lock.error()));
  PosixReader reader;
  return say(request, verify_directory(reader, request.place));
}

int run(int argc, char** argv) {
  Request request;
  request.scratch = std::filesystem::temp_directory_path();
  CLI::App app("holdfast verify: whether a backup or a data directory is what was written.",
               "holdfast verify");
  app.set_version_flag("--version", "holdfast-verify " HOLDFAST_VERSION);
  app.add_option("WHAT", request.place.data_dir,
                 "A backup file, or a stopped node's data directory")
      ->required();
  app.add_option("--scratch", request.scratch,
                 "Where a backup's state is unpacked (" + request.scratch + ", or TMPDIR)")
      ->type_name("DIR");
  app.add_option("--log-dir", request.place.log_dir,
                 "Where the log is, as the node's --log-dir said")
      ->type_name("LOG-DIR");
  app.add_flag("--json", request.as_json, "Print JSON, for scripts");
  app.footer(kFooter);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    return app.exit(problem) == 0 ? 0 : static_cast<int>(Exit::kOther);
  }
  return static_cast<int>(run(request));
}

}  // namespace
}  // namespace holdfast::offline

int main(int argc, char** argv) {
  return holdfast::offline::run(argc, argv);
}
