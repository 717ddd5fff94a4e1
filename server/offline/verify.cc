#include "server/offline/verify.h"

#include <utility>

#include <fmt/format.h>

#include "server/data_directory.h"
#include "server/offline/log_walk.h"
#include "storage/base/text.h"
#include "storage/kv/state_check.h"
#include "storage/kv/state_directory.h"

namespace holdfast::offline {
namespace {

void add_state(const std::string& directory, Report& report) {
  StateCheck check = check_state(directory);
  report.found.push_back(fmt::format(
      "state: {}, {:.1f} MiB, every block read; {} at revision {}, {} in the feed, "
      "entry {} of term {}, hash {:016x}",
      counted(check.files, "file"), static_cast<double>(check.bytes) / (1 << 20),
      counted(check.keys, "key"), check.head.revision.value, counted(check.revisions, "revision"),
      check.head.applied.index.value, check.head.applied.term.value, check.head.state_hash));
  for (std::string& what : check.wrong) report.wrong.push_back("state: " + std::move(what));
}

void add_log(FileSystem& fs, const std::string& directory, Report& report) {
  size_t files = 0;
  size_t entries = 0;
  LogIndex last;
  std::string torn;
  const LogVisitor visitor{
      .segment = [&](const Segment&) { ++files; },
      .record =
          [&](const RecordView& record) {
            if (record.type != RecordType::kEntry) return;
            ++entries;
            last = record.index;
          },
      .damage = [&](const std::string& what) { report.wrong.push_back("log: " + what); },
      .torn_tail =
          [&](const TornTail& tail) {
            torn = fmt::format(
                "; a batch was not whole when the node stopped, {} bytes at {} of "
                "{}: it was never acknowledged",
                tail.bytes, tail.offset, tail.file);
          }};
  if (const Result<> walked = walk_log_files(fs, directory, visitor); !walked)
    report.wrong.push_back("log: " + walked.error().message);
  report.found.push_back(fmt::format("log: {}, {} {}, the last one {}, every record read{}",
                                     counted(files, "file"), with_commas(entries),
                                     entries == 1 ? "entry" : "entries", last.value, torn));
}

// Whether what was found sound, each by itself, also belongs together.
void add_agreement(FileSystem& fs, const recover::Place& place, Report& report) {
  const recover::Finding finding = recover::look_at(fs, place);
  if (finding.problem) {
    report.wrong.push_back(finding.problem->message);
    return;
  }
  report.found.push_back("together: the log leads to the state");
}

}  // namespace

Result<Report> verify_backup(FileSystem& fs, const std::string& file, const std::string& scratch,
                             const Progress& progress) {
  Report report;
  HOLDFAST_TRY(fs.create_directories(scratch));
  const Result<Unpacked> unpacked = unpack(fs, file, scratch, progress);
  if (unpacked) {
    const backup::Head& head = unpacked->head;
    report.found.push_back(
        fmt::format("backup: {:.1f} MiB, {}, every checksum compared, {:016x} over all",
                    static_cast<double>(unpacked->bytes) / (1 << 20), counted(head.files, "file"),
                    unpacked->checksum));
    report.found.push_back(fmt::format("of cluster {:016x} at revision {}, taken {}",
                                       head.cluster.value, head.revision.value,
                                       time_text(head.taken_ms)));
    add_state(scratch, report);
  } else if (unpacked.error().code == ErrorCode::kCorrupt) {
    report.wrong.push_back(unpacked.error().message);
  }
  HOLDFAST_TRY(remove_tree(scratch));
  if (!unpacked && report.wrong.empty()) return std::unexpected(unpacked.error());
  return report;
}

Result<Report> verify_directory(FileSystem& fs, const recover::Place& place) {
  Report report;
  const Result<Identity> identity = read_identity(fs, place.data_dir);
  if (identity) {
    report.found.push_back(fmt::format("node {} ({:016x}) of cluster {:016x}{}", identity->name,
                                       identity->node.value, identity->cluster.value,
                                       identity->removed ? ", removed from it" : ""));
  } else if (identity.error().code == ErrorCode::kNotFound) {
    return fail(
        ErrorCode::kNotFound,
        fmt::format("{} is no node's data directory: there is no IDENTITY in it", place.data_dir));
  } else {
    report.wrong.push_back(identity.error().message);
  }
  add_log(fs, place.log_path(), report);
  add_state(group_directory(place.data_dir, kFirstGroup) + "/state", report);
  if (report.wrong.empty()) add_agreement(fs, place, report);
  return report;
}

}  // namespace holdfast::offline
