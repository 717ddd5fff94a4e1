#pragma once

// The backups that a node makes, one at a time: a checkpoint of the state in a directory of its
// own, read from there piece by piece, and removed.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/backup/writer.h"
#include "storage/base/clock.h"
#include "storage/fs/file_system.h"
#include "storage/state_machine.h"

namespace holdfast {

class Backups {
 public:
  // Whether a file of the copy is what was written; else it is not given away. Blocking.
  using Verify = std::function<Result<>(const std::string& path)>;

  // `directory` is this node's alone, on the file system of the state, and need not be there. All
  // else outlives the backups.
  Backups(FileSystem& fs, StateMachine& machine, const Clock& clock, ClusterId cluster,
          std::string directory, Verify verify);

  // Loop thread. False: one is being made. After true, `finish` when it has been removed.
  bool start() { return !std::exchange(running_, true); }
  void finish() { running_ = false; }

  // What is left of a backup, made or not. Blocking; any thread, between start and finish, or
  // before the first start.
  Result<> remove();

  // One backup as bytes. Blocking; one call at a time.
  class Reading {
   public:
    // A checkpoint of the state as it is now, or a little later.
    static Result<std::unique_ptr<Reading>> open(const Backups& backups);

    const backup::Head& head() const { return head_; }
    // What comes next; empty: that was all.
    Result<std::string> next();

   private:
    Reading(const Backups& backups, std::string directory)
        : fs_(backups.fs_), verify_(backups.verify_), directory_(std::move(directory)) {}
    Result<> list_files();
    Result<> begin_file(std::string& out);

    FileSystem& fs_;
    const Verify& verify_;
    const std::string directory_;
    backup::Head head_;
    backup::Writer writer_;
    std::vector<backup::FileHead> files_;
    size_t files_begun_ = 0;
    std::unique_ptr<File> file_;  // the last one begun
    uint64_t offset_ = 0;         // in it
    enum class Place : uint8_t { kBegin, kFiles, kEnded } place_ = Place::kBegin;
  };

 private:
  FileSystem& fs_;
  StateMachine& machine_;
  const Clock& clock_;
  const ClusterId cluster_;
  const std::string directory_;
  const Verify verify_;
  bool running_ = false;
};

}  // namespace holdfast
