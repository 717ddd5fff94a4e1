#include "storage/kv/rocks_room.h"

#include <utility>

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

namespace holdfast {
namespace {

using rocksdb::DataVerificationInfo;
using rocksdb::FileOptions;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

using MakeRoom = std::function<bool()>;

template <class Act>
IOStatus when_there_is_room(const MakeRoom& make_room, const Act& act) {
  IOStatus status = act();
  while (status.IsNoSpace() && make_room()) status = act();
  return status;
}

// Each append names its place: one that found no room may have been written in part, and is written
// again as a whole.
class WaitingFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  WaitingFile(std::unique_ptr<FSWritableFile> file, const MakeRoom& make_room)
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
  const MakeRoom& make_room_;
  uint64_t size_ = 0;
};

class WaitingFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  explicit WaitingFileSystem(MakeRoom make_room)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), make_room_(std::move(make_room)) {}

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
  const MakeRoom make_room_;
};

}  // namespace

std::unique_ptr<rocksdb::Env> waiting_env(std::function<bool()> make_room) {
  return rocksdb::NewCompositeEnv(std::make_shared<WaitingFileSystem>(std::move(make_room)));
}

}  // namespace holdfast
