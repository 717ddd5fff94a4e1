#include "storage/kv/rocks_faults.h"

#include <utility>

#include <rocksdb/file_system.h>

#include "storage/fs/disk_faults.h"

namespace holdfast {
namespace {

using rocksdb::DataVerificationInfo;
using rocksdb::FileOptions;
using rocksdb::FSWritableFile;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus status_of(const Result<>& outcome) {
  if (outcome) return IOStatus::OK();
  const std::string& why = outcome.error().message;
  return outcome.error().code == ErrorCode::kNoSpace ? IOStatus::NoSpace(why)
                                                     : IOStatus::IOError(why);
}

// RocksDB only ever writes at the end of what it writes, whether it names the place or not.
class FaultyRocksFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultyRocksFile(std::string name, std::unique_ptr<FSWritableFile> file, DiskFaults& faults)
      : FSWritableFileOwnerWrapper(std::move(file)), name_(std::move(name)), faults_(faults) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = status_of(faults_.before_write(name_, data.size()));
    return status.ok() ? target()->Append(data, options, debug) : status;
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                            IODebugContext* debug) override {
    const IOStatus status = status_of(faults_.before_write(name_, data.size()));
    return status.ok() ? target()->PositionedAppend(data, offset, options, debug) : status;
  }
  IOStatus PositionedAppend(const Slice& data, uint64_t offset, const IOOptions& options,
                            const DataVerificationInfo&, IODebugContext* debug) override {
    return PositionedAppend(data, offset, options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = status_of(faults_.before_sync(name_));
    return status.ok() ? target()->Sync(options, debug) : status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus status = status_of(faults_.before_sync(name_));
    return status.ok() ? target()->Fsync(options, debug) : status;
  }

 private:
  const std::string name_;
  DiskFaults& faults_;
};

class FaultyRocksFiles final : public rocksdb::FileSystemWrapper {
 public:
  FaultyRocksFiles(const std::shared_ptr<rocksdb::FileSystem>& files, DiskFaults& faults)
      : FileSystemWrapper(files), faults_(faults) {}

  const char* Name() const override { return "FaultyRocksFiles"; }
  IOStatus NewWritableFile(const std::string& name, const FileOptions& options,
                           std::unique_ptr<FSWritableFile>* made, IODebugContext* debug) override {
    std::unique_ptr<FSWritableFile> file;
    IOStatus status = target()->NewWritableFile(name, options, &file, debug);
    if (status.ok()) *made = std::make_unique<FaultyRocksFile>(name, std::move(file), faults_);
    return status;
  }
  IOStatus DeleteFile(const std::string& name, const IOOptions& options,
                      IODebugContext* debug) override {
    // A file that a checkpoint has too is not gone; one that cannot be measured gives nothing back.
    uint64_t names = 0;
    uint64_t bytes = 0;
    if (!target()->NumFileLinks(name, options, &names, debug).ok() || names != 1 ||
        !target()->GetFileSize(name, options, &bytes, debug).ok())
      bytes = 0;
    IOStatus status = target()->DeleteFile(name, options, debug);
    if (status.ok()) faults_.give_back(bytes);
    return status;
  }

 private:
  DiskFaults& faults_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> faulty_files(const std::shared_ptr<rocksdb::FileSystem>& files,
                                                  DiskFaults& faults) {
  return std::make_shared<FaultyRocksFiles>(files, faults);
}

}  // namespace holdfast
