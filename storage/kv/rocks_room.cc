#include "storage/kv/rocks_room.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/listener.h>

namespace holdfast {
namespace {

using rocksdb::DataVerificationInfo;
using rocksdb::FileOptions;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

// RocksDB calls both a flush and a compaction urgent while writes are held up, so a file's priority
// does not tell them apart; the thread does: each compaction writes its files on one.
thread_local bool rewrites_now = false;

class RewritingWatch final : public rocksdb::EventListener {
 public:
  void OnSubcompactionBegin(const rocksdb::SubcompactionJobInfo&) override { rewrites_now = true; }
  void OnSubcompactionCompleted(const rocksdb::SubcompactionJobInfo&) override {
    rewrites_now = false;
  }
};

// RocksDB has a code of its own for ENOSPC only; of others it keeps the system's words.
bool finds_no_room(const IOStatus& status) {
  if (status.IsNoSpace()) return true;
  static const std::string quota = std::generic_category().message(EDQUOT);
  return status.IsIOError() && status.ToString().ends_with(quota);
}

template <class Act>
IOStatus when_there_is_room(const AskForRoom& make_room, const Act& act) {
  IOStatus status = act();
  const RoomFor what = rewrites_now ? RoomFor::kRewriting : RoomFor::kNewBytes;
  while (finds_no_room(status) && make_room(what)) status = act();
  return status;
}

// Each append names its place: one that found no room may have been written in part, and is written
// again as a whole.
class WaitingFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WaitingFile(std::unique_ptr<FSWritableFile> file, const AskForRoom& make_room)
      : FSWritableFileOwnerWrapper(std::move(file)), make_room_(make_room) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    IOStatus status = when_there_is_room(
        make_room_, [&] { return target()->PositionedAppend(data, size_, options, debug); });
    if (status.ok()) size_ += data.size();
    return status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }

 private:
  const AskForRoom& make_room_;
  uint64_t size_ = 0;
};

class WaitingFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  WaitingFileSystem(AskForRoom make_room, const std::shared_ptr<rocksdb::FileSystem>& files)
      : FileSystemWrapper(files), make_room_(std::move(make_room)) {}

  const char* Name() const override { return "WaitingFileSystem"; }
  IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                           std::unique_ptr<FSWritableFile>* made, IODebugContext* debug) override {
    std::unique_ptr<FSWritableFile> file;
    IOStatus status = when_there_is_room(
        make_room_, [&] { return target()->NewWritableFile(name, options, &file, debug); });
    if (status.ok()) *made = std::make_unique<WaitingFile>(std::move(file), make_room_);
    return status;
  }

 private:
  const AskForRoom make_room_;
};

}  // namespace

std::unique_ptr<rocksdb::Env> waiting_env(AskForRoom make_room,
                                          std::shared_ptr<rocksdb::FileSystem> files) {
  return rocksdb::NewCompositeEnv(std::make_shared<WaitingFileSystem>(std::move(make_room), files));
}

std::shared_ptr<rocksdb::EventListener> rewriting_watch() {
  return std::make_shared<RewritingWatch>();
}

}  // namespace holdfast
