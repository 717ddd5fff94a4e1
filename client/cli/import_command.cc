#include <algorithm>
#include <cstdio>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/command.h"
#include "client/cli/importer.h"
#include "client/cli/input.h"
#include "client/cli/options.h"
#include "client/cli/progress.h"
#include "client/cli/terminal.h"
#include "storage/base/text.h"

namespace holdfast::cli {
namespace {

Result<uint64_t> count_records(Input& in) {
  uint64_t count = 0;
  bool is_in_line = false;
  while (true) {
    HOLDFAST_ASSIGN(const std::string_view block, in.next_block());
    if (block.empty()) return is_in_line ? count + 1 : count;
    for (const char byte : block) {
      const bool is_newline = byte == '\n';
      if (is_newline && is_in_line) ++count;
      is_in_line = !is_newline;
    }
  }
}

// For the bar: reading is far quicker than storing. Nothing: it can be read only once.
Result<std::optional<uint64_t>> total_of(Input& in) {
  if (!in.can_rewind()) return std::nullopt;
  HOLDFAST_ASSIGN(const uint64_t total, count_records(in));
  HOLDFAST_TRY(in.rewind());
  return total;
}

double milliseconds_of(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

void print_text(const ImportJournal::Summary& summary, const CallCounts& counts) {
  const double seconds = std::chrono::duration<double>(summary.elapsed).count();
  const auto rate = static_cast<uint64_t>(static_cast<double>(summary.records) / seconds);
  fmt::print("stored    {} records in {}, {} a second\n", with_commas(summary.records),
             spoken(summary.elapsed), with_commas(rate));
  fmt::print("latency   p50 {}, p99 {}, longest {}\n", spoken(summary.latency.percentile(0.5)),
             spoken(summary.latency.percentile(0.99)), spoken(summary.latency.longest()));
  fmt::print("requests  {} sent, {} refused, {} unknown, {} repeated\n", with_commas(counts.sent),
             with_commas(counts.refused), with_commas(counts.unknown),
             with_commas(counts.repeated));
  if (summary.records < 2) return;
  fmt::print("longest pause between two acknowledgements  {}, from {}\n",
             spoken(summary.longest_pause.length), clock_time(summary.longest_pause.began));
}

void print_json(const ImportJournal::Summary& summary, const CallCounts& counts) {
  const double seconds = std::chrono::duration<double>(summary.elapsed).count();
  fmt::print(
      "{{\"records\":{},\"seconds\":{:.3f},\"rate\":{:.0f},\"p50_ms\":{:.3f},\"p99_ms\":{:.3f},"
      "\"max_ms\":{:.3f},\"sent\":{},\"refused\":{},\"unknown\":{},\"repeated\":{},"
      "\"longest_pause_ms\":{:.3f},\"longest_pause_began\":\"{}\"}}\n",
      summary.records, seconds, static_cast<double>(summary.records) / seconds,
      milliseconds_of(summary.latency.percentile(0.5)),
      milliseconds_of(summary.latency.percentile(0.99)), milliseconds_of(summary.latency.longest()),
      counts.sent, counts.refused, counts.unknown, counts.repeated,
      milliseconds_of(summary.longest_pause.length), time_text(summary.longest_pause.began));
}

class ImportCommand final : public Command {
 public:
  explicit ImportCommand(CLI::App& root)
      : Command(root, "import", "Store the records of an NDJSON file") {
    app().add_option("FILE", file_, "NDJSON, a record a line; '-': standard input")->required();
    app()
        .add_option("--connections", connections_,
                    "How many connections, spread over the endpoints")
        ->type_name("N")
        ->capture_default_str()
        ->check(CLI::Range(1, 1024));
    add_duration_option(app(), "--patience", patience_,
                        "How long to go on when nothing is acknowledged at all (2m)");
    describe(
        "Examples:\n"
        "  holdfast import records.ndjson\n"
        "  gzip -dc photos.ndjson.gz | holdfast import -\n"
        "  holdfast --endpoint http://db1:4653,http://db2:4653 import records.ndjson\n\n"
        "A line is {\"key\":\"…\",\"value\":\"…\"}, or \"key_base64\" and \"value_base64\".\n"
        "Each record is tried until it is acknowledged. A put without an answer is made again "
        "too:\n"
        "the same value under the same key, so that twice is the same as once.\n"
        "Lines with the same key are stored in their order: one is sent when those before it are\n"
        "acknowledged, or again behind them. But a first try without an answer, which a node that\n"
        "hung carries out late, can cover what was written since: by another client, or by a "
        "later\n"
        "line. Where keys repeat in a file and a node hung meanwhile, compare with 'holdfast "
        "digest'.",
        {Exit::kUnavailable});
  }

  Exit run(const Session& session) override {
    Result<Input> input = Input::open(file_);
    if (!input) return report(session, input.error());
    const Result<std::optional<uint64_t>> total = total_of(*input);
    if (!total) return report(session, total.error());
    Importer importer(
        {.client = session.client_options(), .connections = connections_, .patience = patience_});
    Result<> read;
    std::optional<ImportFailure> failure;
    {
      const Progress progress(importer.journal(), *total);
      read = submit_all(*input, importer);
      failure = importer.finish();
    }
    const ImportJournal::Summary summary = importer.journal().summary();
    session.is_json() ? print_json(summary, importer.counts())
                      : print_text(summary, importer.counts());
    std::fflush(stdout);
    if (failure) {
      failure->refusal.message = fmt::format(
          "line {} cannot be stored, and the lines that were not acknowledged yet were left: {}",
          failure->line, failure->refusal.message);
      return report(session, failure->refusal);
    }
    return read ? Exit::kOk : report(session, read.error());
  }

 private:
  // To the first line that is no record or cannot be read; what came before it is stored.
  static Result<> submit_all(Input& in, Importer& importer) {
    std::string line;
    for (uint64_t number = 1;; ++number) {
      const Result<bool> is_there = in.next_line(line);
      if (!is_there) return ended_at(number, is_there.error());
      if (!*is_there) return {};
      if (line.empty()) continue;
      Result<Record> record = parse_record(line);
      if (!record) return ended_at(number, record.error());
      if (!importer.submit(number, *std::move(record))) return {};
    }
  }

  static std::unexpected<Error> ended_at(uint64_t line, const Error& error) {
    return fail(error.code,
                fmt::format("line {}: {}; the lines before it are stored", line, error.message));
  }

  std::string file_;
  size_t connections_ = 32;
  Duration patience_ = std::chrono::minutes(2);
};

}  // namespace

std::unique_ptr<Command> make_import_command(CLI::App& root) {
  return std::make_unique<ImportCommand>(root);
}

}  // namespace holdfast::cli
