// export and digest: everything below a prefix, in order of the keys, at one revision.

#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/command.h"
#include "client/cli/digest.h"
#include "client/cli/input.h"
#include "client/cli/options.h"
#include "client/cli/record.h"
#include "client/cli/scan_pages.h"

namespace holdfast::cli {
namespace {

class ExportCommand final : public Command {
 public:
  explicit ExportCommand(CLI::App& root)
      : Command(root, "export", "Print all records as NDJSON, at one revision") {
    app()
        .add_option("--prefix", query_.prefix, "Only keys that begin with PREFIX")
        ->type_name("PREFIX");
    add_moment_options(app(), query_.moment);
    describe(
        "Examples:\n"
        "  holdfast export > everything.ndjson\n"
        "  holdfast export --prefix photos/ | gzip > photos.ndjson.gz\n\n"
        "One record a line, {\"key\":…,\"value\":…} or with _base64 where bytes are not UTF-8, in\n"
        "order of the keys. `holdfast import` reads it back.",
        {Exit::kUnavailable});
  }

  Exit run(const Session& session) override {
    KvClient client = session.client();
    bool is_written = true;
    const ReadOutcome<ScanTotal> total = scan_pages(client, query_, [&](const ScanPage& page) {
      for (const Item& item : page.items) {
        const std::string line = record_line(item.key, item.value) + "\n";
        is_written &= std::fwrite(line.data(), 1, line.size(), stdout) == line.size();
      }
    });
    if (!total) return report(session, total.error());
    if (!is_written || std::fflush(stdout) != 0) {
      return report(session, Error{ErrorCode::kIo, "standard output cannot be written"});
    }
    return Exit::kOk;
  }

 private:
  ScanQuery query_;
};

class DigestCommand final : public Command {
 public:
  explicit DigestCommand(CLI::App& root)
      : Command(root, "digest", "Print one checksum over all records, to compare nodes or files") {
    app()
        .add_option("--prefix", query_.prefix, "Only keys that begin with PREFIX")
        ->type_name("PREFIX");
    add_moment_options(app(), query_.moment);
    app()
        .add_option("--file", file_, "Of the records in an NDJSON file ('-': standard input)")
        ->type_name("FILE")
        ->excludes("--prefix")
        ->excludes("--consistency");
    describe(
        "Examples:\n"
        "  holdfast digest --prefix packages/\n"
        "  holdfast digest --file packages.ndjson\n"
        "  holdfast --endpoint http://127.0.0.1:4663 digest --consistency local   of one node\n\n"
        "Prints \"SHA-256 COUNT\". The checksum is over the length (8 bytes, big-endian) and the\n"
        "bytes of each key and value, in order of the keys. A file may be in any order; of a key\n"
        "that it holds twice the last value counts.",
        {Exit::kUnavailable});
  }

  Exit run(const Session& session) override {
    return file_.empty() ? digest_cluster(session) : digest_file(session);
  }

 private:
  Exit digest_cluster(const Session& session) const {
    KvClient client = session.client();
    Digest digest;
    const ReadOutcome<ScanTotal> total = scan_pages(client, query_, [&](const ScanPage& page) {
      for (const Item& item : page.items) digest.add(item.key, item.value);
    });
    if (!total) return report(session, total.error());
    const std::string revision = fmt::format(",\"revision\":{}", total->revision);
    print(session, digest.finish(), digest.count(), revision);
    return Exit::kOk;
  }

  Exit digest_file(const Session& session) const {
    Result<Input> input = Input::open(file_);
    if (!input) return report(session, input.error());
    const Result<FileDigest> digest = digest_of_records(*input);
    if (!digest) return report(session, digest.error());
    print(session, digest->sha256, digest->count, "");
    return Exit::kOk;
  }

  static void print(const Session& session, std::string_view sha256, uint64_t count,
                    std::string_view more_json) {
    if (session.is_json()) {
      fmt::print("{{\"sha256\":\"{}\",\"count\":{}{}}}\n", sha256, count, more_json);
    } else {
      fmt::print("{} {}\n", sha256, count);
    }
  }

  ScanQuery query_;
  std::string file_;
};

}  // namespace

std::unique_ptr<Command> make_export_command(CLI::App& root) {
  return std::make_unique<ExportCommand>(root);
}

std::unique_ptr<Command> make_digest_command(CLI::App& root) {
  return std::make_unique<DigestCommand>(root);
}

}  // namespace holdfast::cli
