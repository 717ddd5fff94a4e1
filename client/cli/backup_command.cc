// backup: the whole store, at one revision, into a file.

#include <algorithm>
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "client/cli/backup_file.h"
#include "client/cli/command.h"
#include "client/cli/options.h"
#include "client/cli/progress.h"
#include "client/cli/record.h"
#include "client/cli/terminal.h"
#include "storage/base/text.h"

namespace holdfast::cli {
namespace {

constexpr Duration kSilence = std::chrono::seconds(30);
constexpr size_t kBarCells = 30;

double mebibytes(uint64_t bytes) {
  return static_cast<double>(bytes) / (1 << 20);
}

// A bar on a terminal, drawn over and over while bytes come; elsewhere nothing.
class BackupProgress {
 public:
  explicit BackupProgress(const BackupFile& file) : file_(file), began_(clock_.now()) {}

  void show(bool is_over) {
    const Instant now = clock_.now();
    if (!is_bar_ || !file_.head() || (!is_over && now - drawn_ < kBarPeriod)) return;
    drawn_ = now;
    const auto all = static_cast<double>(std::max<uint64_t>(file_.head()->bytes, 1));
    const double share = static_cast<double>(file_.state_bytes()) / all;
    fmt::print(stderr, "\r  {} {:3.0f}%  {:.1f} of {:.1f} MiB   {:.0f} MiB/s\x1b[K{}",
               bar(share, kBarCells), share * 100, mebibytes(file_.state_bytes()),
               mebibytes(file_.head()->bytes), mebibytes(file_.state_bytes()) / seconds(),
               is_over ? "\n" : "");
    std::fflush(stderr);
  }
  double seconds() const {
    return std::max(0.001, std::chrono::duration<double>(clock_.now() - began_).count());
  }

 private:
  SystemClock clock_;
  const BackupFile& file_;
  const Instant began_;
  Instant drawn_;
  const bool is_bar_ = is_terminal(stderr);
};

class BackupCommand final : public Command {
 public:
  explicit BackupCommand(CLI::App& root)
      : Command(root, "backup", "Store the whole state, at one revision, in a file") {
    app()
        .add_option("FILE", path_, "Where to; '-' for standard output")
        ->required()
        ->type_name("FILE");
    add_consistency_option(app(), consistency_);
    describe(
        "Examples:\n"
        "  holdfast backup monday.backup\n"
        "  holdfast --endpoint http://127.0.0.1:4663 backup tuesday.backup    by this node\n"
        "  holdfast backup - | ssh elsewhere 'cat > wednesday.backup'\n"
        "  holdfast backup last.backup --consistency local     also without a majority\n\n"
        "Holds all that was acknowledged before it began, while the cluster serves: keys, the\n"
        "history that is kept, leases, settings. Every byte is checked while it comes; FILE gets\n"
        "its name when all of it is on disk, until then it is FILE.part. A node makes one backup\n"
        "at a time. `holdfast verify FILE` checks it again, `holdfast restore FILE` makes a new\n"
        "cluster of it.",
        {Exit::kUnavailable});
  }

  Exit run(const Session& session) override {
    Result<BackupFile> file = BackupFile::create(path_);
    if (!file) return report(session, file.error());
    BackupProgress progress(*file);
    Result<> taken;
    BodySink sink{.take =
                      [&](std::string_view bytes) {
                        taken = file->take(bytes);
                        progress.show(/*is_over=*/false);
                        return taken.has_value();
                      },
                  .patience = kSilence};
    KvClient client = session.client();
    const ReadOutcome<HttpResponse> outcome = client.snapshot(consistency_, sink);
    if (!taken) return report(session, taken.error());
    if (!outcome) return report(session, said(outcome.error()));
    if (const Result<> whole = file->finish(); !whole) return report(session, whole.error());
    progress.show(/*is_over=*/true);
    print(session, *file, progress.seconds());
    return Exit::kOk;
  }

 private:
  static Refusal said(Refusal refusal) {
    if (refusal.code == "cut_off") {
      refusal.message += ". The backup broke off and is not kept: begin it again";
    }
    return refusal;
  }

  // To standard error where the backup itself goes to standard output.
  void print(const Session& session, const BackupFile& file, double seconds) const {
    std::FILE* const stream = path_ == "-" ? stderr : stdout;
    const backup::Head& head = *file.head();
    if (session.is_json()) {
      fmt::print(
          stream,
          R"({{"file":{},"cluster_id":"{:016x}","revision":{},"applied_index":{},"files":{},)"
          R"("state_bytes":{},"bytes":{},"checksum":"{:016x}","seconds":{:.3f}}})"
          "\n",
          json_quoted(path_), head.cluster.value, head.revision.value, head.applied.value,
          head.files, head.bytes, file.stored_bytes(), file.checksum(), seconds);
      return;
    }
    fmt::print(stream,
               "{}: revision {} of cluster {:016x}, {:.1f} MiB of state in {:.1f} MiB, {:.1f} s, "
               "{:.0f} MiB/s\nchecksum {:016x}, compared with what the node sent\n",
               path_, with_commas(head.revision.value), head.cluster.value, mebibytes(head.bytes),
               mebibytes(file.stored_bytes()), seconds, mebibytes(head.bytes) / seconds,
               file.checksum());
  }

  std::string path_;
  Consistency consistency_ = Consistency::kLinearizable;
};

}  // namespace

std::unique_ptr<Command> make_backup_command(CLI::App& root) {
  return std::make_unique<BackupCommand>(root);
}

}  // namespace holdfast::cli
