#pragma once

// A snapshot as files in a directory, on either end of a transfer. Below one directory, which
// belongs to the two ends alone, lie:
//   out-NUMBER      made here, being sent        in-ID.part   being received
//   in-ID           arrived: whole, verified and synced
// No threads. An error of IncomingSnapshot means that its directory must not be gone on with.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "replication/transport/snapshot_wire.h"
#include "storage/fs/file_system.h"

namespace holdfast {

// Makes `directory`, or removes what an earlier life has left in it. Called at start, after the
// state was opened and before the ends are made: what an earlier life has received is announced to
// nobody.
Result<> prepare_snapshot_directory(FileSystem& fs, const std::string& directory);

// Removes a directory of files, if it is there.
Result<> remove_files(FileSystem& fs, const std::string& directory);

// Compares what lies in a file of the state with the checksums in it. kCorrupt: it is damaged.
using VerifyFile = std::function<Result<>(const std::string& path)>;

class OutgoingSnapshot {
 public:
  // `directory` holds files only, and they do not change.
  static Result<OutgoingSnapshot> open(FileSystem& fs, std::string directory, VerifyFile verify);

  const std::vector<SnapshotFile>& files() const { return files_; }
  // The `count` bytes at `place`, which is the place after the piece that was read last, or that of
  // one that was read before. Of a file that was verified first: damage must not travel.
  Result<std::string> read(const SnapshotPlace& place, size_t count);
  // Of all files, once every piece was read.
  SnapshotEnd end() const;

 private:
  OutgoingSnapshot(FileSystem& fs, std::string directory, VerifyFile verify)
      : fs_(&fs), directory_(std::move(directory)), verify_(std::move(verify)) {}

  FileSystem* fs_;
  std::string directory_;
  VerifyFile verify_;
  std::vector<SnapshotFile> files_;
  std::vector<std::vector<uint64_t>> sums_;  // of each file, up to each of its pieces
  uint32_t open_number_ = 0;
  std::unique_ptr<File> open_file_;  // files_[open_number_]
};

// Removes what can be spared, where the disk has no room for what is offered.
using MakeRoom = std::function<Result<>()>;

class IncomingSnapshot {
 public:
  // Makes an empty in-ID.part in `directory`, and removes any other. The offer has been checked;
  // that it fits on the disk is checked here.
  static Result<IncomingSnapshot> begin(FileSystem& fs, const std::string& directory,
                                        SnapshotOffer offer, const MakeRoom& make_room);

  const SnapshotOffer& offer() const { return offer_; }
  const SnapshotPlace& place() const { return place_; }
  bool whole() const { return place_.file == offer_.files.size(); }
  // The bytes of the piece at `place`.
  Result<> store(std::string_view bytes);
  // Reads everything back from the disk, calls `after_piece` after each piece and returns its
  // error.
  Result<> verify(const SnapshotEnd& end, const std::function<Result<>()>& after_piece) const;
  // Gives the directory its last name, which it keeps also after a crash, and says it.
  Result<std::string> finish();
  // The directory as it is named now.
  const std::string& directory() const { return directory_; }

 private:
  IncomingSnapshot(FileSystem& fs, std::string parent, SnapshotOffer offer);
  Result<> make();
  // Makes files and finishes them until one has bytes missing.
  Result<> open_next();

  FileSystem* fs_;
  std::string parent_;
  std::string name_;
  std::string directory_;
  SnapshotOffer offer_;
  SnapshotPlace place_;
  std::unique_ptr<File> file_;  // offer_.files[place_.file], unless whole
  uint64_t synced_bytes_ = 0;   // of `file_`
};

}  // namespace holdfast
