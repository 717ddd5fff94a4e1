#include "server/api/backups.h"

#include <algorithm>

#include <fmt/format.h>

#include "storage/kv/state_directory.h"

namespace holdfast {

Backups::Backups(FileSystem& fs, StateMachine& machine, const Clock& clock, ClusterId cluster,
                 std::string directory, Verify verify)
    : fs_(fs),
      machine_(machine),
      clock_(clock),
      cluster_(cluster),
      directory_(std::move(directory)),
      verify_(std::move(verify)) {}

Result<> Backups::remove() {
  return remove_tree(directory_);
}

Result<std::unique_ptr<Backups::Reading>> Backups::Reading::open(const Backups& backups) {
  const std::string copy = backups.directory_ + "/state";
  std::unique_ptr<Reading> reading(new Reading(backups, copy));
  HOLDFAST_TRY(remove_tree(backups.directory_));
  HOLDFAST_TRY(backups.fs_.create_directories(backups.directory_));
  HOLDFAST_TRY(backups.machine_.checkpoint(copy));
  HOLDFAST_ASSIGN(const SnapshotHead head, backups.machine_.read_snapshot_head(copy));
  reading->head_ = {.cluster = backups.cluster_,
                    .group = kFirstGroup,
                    .revision = head.revision,
                    .applied = head.applied.index,
                    .term = head.applied.term,
                    .taken_ms = wall_ms(backups.clock_)};
  HOLDFAST_TRY(reading->list_files());
  return reading;
}

Result<> Backups::Reading::list_files() {
  HOLDFAST_ASSIGN(const std::vector<std::string> names, fs_.list(directory_));
  for (const std::string& name : names) {
    HOLDFAST_ASSIGN(const std::unique_ptr<File> file, fs_.open(directory_ + "/" + name));
    HOLDFAST_ASSIGN(const uint64_t size, file->size());
    files_.push_back({name, size});
    head_.bytes += size;
  }
  head_.files = files_.size();
  return {};
}

Result<> Backups::Reading::begin_file(std::string& out) {
  const backup::FileHead& next = files_[files_begun_++];
  const std::string path = directory_ + "/" + next.name;
  // Its sums would vouch for what the disk has made of the file.
  HOLDFAST_TRY(verify_(path));
  HOLDFAST_ASSIGN(file_, fs_.open(path));
  offset_ = 0;
  writer_.file(next, out);
  return {};
}

Result<std::string> Backups::Reading::next() {
  std::string out;
  if (place_ == Place::kEnded) return out;
  if (place_ == Place::kBegin) {
    writer_.begin(head_, out);
    place_ = Place::kFiles;
  }
  while (!file_ || offset_ == files_[files_begun_ - 1].size) {
    if (files_begun_ == files_.size()) {
      writer_.end(out);
      place_ = Place::kEnded;
      return out;
    }
    HOLDFAST_TRY(begin_file(out));
  }
  const backup::FileHead& file = files_[files_begun_ - 1];
  const uint64_t count = std::min<uint64_t>(backup::kPieceBytesMax, file.size - offset_);
  HOLDFAST_ASSIGN(const std::string bytes, file_->read_at(offset_, count));
  if (bytes.size() < count)
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}/{} has {} bytes, not the {} that it had", directory_, file.name,
                            offset_ + bytes.size(), file.size));
  writer_.piece(bytes, out);
  offset_ += count;
  return out;
}

}  // namespace holdfast
