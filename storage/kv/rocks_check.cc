#include "storage/kv/rocks_check.h"

#include <filesystem>

#include <fmt/core.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_reader.h>

#include "storage/fs/posix.h"
#include "storage/kv/revision_order.h"

namespace holdfast {
namespace {

rocksdb::Status check(const std::string& path, const rocksdb::Comparator* order) {
  rocksdb::Options options;
  if (order != nullptr) options.comparator = order;
  rocksdb::SstFileReader reader(options);
  const rocksdb::Status opened = reader.Open(path);
  return opened.ok() ? reader.VerifyChecksum() : opened;
}

}  // namespace

Result<TableFiles> check_table_files(const std::string& directory) {
  TableFiles found;
  HOLDFAST_ASSIGN(const std::vector<std::string> names, PosixReader().list(directory));
  for (const std::string& name : names) {
    if (!name.ends_with(".sst")) continue;
    const std::string path = directory + "/" + name;
    ++found.files;
    std::error_code unknown;
    found.bytes += std::filesystem::file_size(path, unknown);
    // The name does not tell which family's it is, nor in which order its keys are.
    rocksdb::Status status = check(path, nullptr);
    if (status.IsInvalidArgument()) status = check(path, revision_order());
    if (!status.ok()) found.wrong.push_back(fmt::format("{}: {}", path, status.ToString()));
  }
  return found;
}

}  // namespace holdfast
