#include "replication/transport/snapshot_files.h"

#include <utility>

#include <fmt/core.h>

#include "storage/base/bytes.h"
#include "storage/base/check.h"
#include "storage/fs/room.h"

namespace holdfast {
namespace {

// So that no sync takes long, and none of the log's waits behind a whole snapshot.
constexpr uint64_t kUnsyncedBytesMax = 16 << 20;

}  // namespace

Result<> remove_files(FileSystem& fs, const std::string& directory) {
  HOLDFAST_ASSIGN(const bool there, fs.exists(directory));
  if (!there) return {};
  HOLDFAST_ASSIGN(const std::vector<std::string> names, fs.list(directory));
  for (const std::string& name : names) HOLDFAST_TRY(fs.remove(directory + "/" + name));
  return fs.remove_directory(directory);
}

Result<> prepare_snapshot_directory(FileSystem& fs, const std::string& directory) {
  HOLDFAST_TRY(fs.create_directories(directory));
  HOLDFAST_ASSIGN(const std::vector<std::string> names, fs.list(directory));
  for (const std::string& name : names) {
    if (name.starts_with("in-") || name.starts_with("out-"))
      HOLDFAST_TRY(remove_files(fs, directory + "/" + name));
  }
  return {};
}

Result<OutgoingSnapshot> OutgoingSnapshot::open(FileSystem& fs, std::string directory,
                                                VerifyFile verify) {
  OutgoingSnapshot snapshot(fs, std::move(directory), std::move(verify));
  HOLDFAST_ASSIGN(const std::vector<std::string> names, fs.list(snapshot.directory_));
  for (const std::string& name : names) {
    HOLDFAST_ASSIGN(const std::unique_ptr<File> file, fs.open(snapshot.directory_ + "/" + name));
    HOLDFAST_ASSIGN(const uint64_t size, file->size());
    snapshot.files_.push_back({name, size});
  }
  snapshot.sums_.resize(snapshot.files_.size());
  return snapshot;
}

Result<std::string> OutgoingSnapshot::read(const SnapshotPlace& place, size_t count) {
  const std::string path = directory_ + "/" + files_[place.file].name;
  // Once: later the sums say whether it is still the same.
  if (sums_[place.file].empty()) HOLDFAST_TRY(verify_(path));
  if (!open_file_ || open_number_ != place.file) {
    HOLDFAST_ASSIGN(open_file_, fs_->open(path));
    open_number_ = place.file;
  }
  HOLDFAST_ASSIGN(std::string bytes, open_file_->read_at(place.offset, count));
  if (bytes.size() < count)
    return fail(ErrorCode::kCorrupt,
                fmt::format("{} has {} bytes, not the {} that it had", path,
                            place.offset + bytes.size(), files_[place.file].size));
  std::vector<uint64_t>& sums = sums_[place.file];
  const size_t piece = place.offset / kSnapshotPieceBytes;
  CHECK(piece <= sums.size(), "piece {} of {}", piece, path);
  const uint64_t sum = checksum(bytes, piece == 0 ? 0 : sums[piece - 1]);
  if (piece == sums.size()) sums.push_back(sum);
  if (sums[piece] != sum)
    return fail(ErrorCode::kCorrupt, path + " is read back with other bytes than before");
  return bytes;
}

SnapshotEnd OutgoingSnapshot::end() const {
  SnapshotEnd end;
  for (const std::vector<uint64_t>& sums : sums_)
    end.checksums.push_back(sums.empty() ? 0 : sums.back());
  return end;
}

IncomingSnapshot::IncomingSnapshot(FileSystem& fs, std::string parent, SnapshotOffer offer)
    : fs_(&fs),
      parent_(std::move(parent)),
      name_(fmt::format("in-{:016x}", offer.snapshot)),
      directory_(fmt::format("{}/{}.part", parent_, name_)),
      offer_(std::move(offer)) {}

Result<IncomingSnapshot> IncomingSnapshot::begin(FileSystem& fs, const std::string& directory,
                                                 SnapshotOffer offer, const MakeRoom& make_room) {
  HOLDFAST_ASSIGN(const std::vector<std::string> names, fs.list(directory));
  for (const std::string& name : names) {
    if (name.starts_with("in-") && name.ends_with(".part"))
      HOLDFAST_TRY(remove_files(fs, directory + "/" + name));
  }
  HOLDFAST_ASSIGN(DiskSpace space, fs.space(directory));
  const uint64_t wanted = offer.bytes() + room_beside_copy(space.total);
  if (space.free < wanted) {
    HOLDFAST_TRY(make_room());
    HOLDFAST_ASSIGN(space, fs.space(directory));
  }
  if (space.free < wanted)
    return fail(ErrorCode::kIo,
                fmt::format("{} has {} MiB free, and {} MiB are needed to receive it and to go on; "
                            "make room there",
                            directory, space.free >> 20, wanted >> 20));
  IncomingSnapshot snapshot(fs, directory, std::move(offer));
  if (Result<> made = snapshot.make(); !made) {
    if (const Result<> removed = remove_files(fs, snapshot.directory_); !removed)
      made.error().message += "; and then: " + removed.error().message;
    return std::unexpected(std::move(made).error());
  }
  return snapshot;
}

Result<> IncomingSnapshot::make() {
  HOLDFAST_TRY(fs_->create_directories(directory_));
  return open_next();
}

Result<> IncomingSnapshot::open_next() {
  for (;;) {
    if (whole()) return {};
    const SnapshotFile& file = offer_.files[place_.file];
    if (!file_) {
      HOLDFAST_ASSIGN(file_, fs_->create(directory_ + "/" + file.name));
      synced_bytes_ = 0;
    }
    if (place_.offset < file.size) return {};
    HOLDFAST_TRY(file_->sync());
    file_.reset();
    place_ = {place_.file + 1, 0};
  }
}

Result<> IncomingSnapshot::store(std::string_view bytes) {
  HOLDFAST_TRY(file_->write_at(place_.offset, bytes));
  place_.offset += bytes.size();
  if (place_.offset - synced_bytes_ >= kUnsyncedBytesMax) {
    HOLDFAST_TRY(file_->sync());
    synced_bytes_ = place_.offset;
  }
  return open_next();
}

Result<> IncomingSnapshot::verify(const SnapshotEnd& end,
                                  const std::function<Result<>()>& after_piece) const {
  CHECK(whole());
  if (end.checksums.size() != offer_.files.size())
    return fail(ErrorCode::kCorrupt, "there are not as many checksums as files");
  for (size_t i = 0; i < offer_.files.size(); ++i) {
    const std::string path = directory_ + "/" + offer_.files[i].name;
    // Opened anew: what is read is what the disk holds.
    HOLDFAST_ASSIGN(const std::unique_ptr<File> file, fs_->open(path));
    HOLDFAST_ASSIGN(const uint64_t size, file->size());
    uint64_t sum = 0;
    for (uint64_t at = 0; at < size; at += kSnapshotPieceBytes) {
      HOLDFAST_ASSIGN(const std::string bytes, file->read_at(at, kSnapshotPieceBytes));
      sum = checksum(bytes, sum);
      HOLDFAST_TRY(after_piece());
    }
    if (size != offer_.files[i].size || sum != end.checksums[i])
      return fail(ErrorCode::kCorrupt,
                  fmt::format("{} does not hold what was sent; check the disk", path));
  }
  return {};
}

Result<std::string> IncomingSnapshot::finish() {
  HOLDFAST_TRY(fs_->sync_directory(directory_));
  std::string last = parent_ + "/" + name_;
  HOLDFAST_TRY(fs_->rename(directory_, last));
  directory_ = last;
  HOLDFAST_TRY(fs_->sync_directory(parent_));
  return last;
}

}  // namespace holdfast
