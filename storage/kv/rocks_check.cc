#include "storage/kv/rocks_check.h"

#include <algorithm>
#include <filesystem>

#include <fmt/core.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_reader.h>

#include "storage/fs/posix.h"
#include "storage/kv/revision_order.h"
#include "storage/kv/rocks_words.h"

namespace holdfast {
namespace {

using rocksdb::LiveFileMetaData;

rocksdb::Status check(const std::string& path, const rocksdb::Options& options) {
  rocksdb::SstFileReader reader(options);
  const rocksdb::Status opened = reader.Open(path);
  return opened.ok() ? reader.VerifyChecksum() : opened;
}

// The name of a file does not tell which family's it is, nor in which order its keys are.
rocksdb::Status check_in_any_order(const std::string& path) {
  rocksdb::Options options;
  rocksdb::Status status = check(path, options);
  if (!status.IsInvalidArgument()) return status;
  options.comparator = revision_order();
  return check(path, options);
}

std::string reading_back(const std::string& path) {
  return "reading back the state's file '" + path + "'";
}

std::vector<LiveFileMetaData> files_in_use(rocksdb::DB& db) {
  std::vector<LiveFileMetaData> files;
  db.GetLiveFilesMetaData(&files);
  return files;
}

}  // namespace

Result<TableFiles> check_table_files(const std::string& directory) {
  TableFiles found;
  HOLDFAST_ASSIGN(const std::vector<std::string> names, PosixReader().list(directory));
  for (const std::string& name : names) {
    if (!name.ends_with(".sst")) continue;
    const std::string path = directory + "/" + name;
    ++found.files;
    std::error_code error;
    if (const uintmax_t bytes = std::filesystem::file_size(path, error); !error)
      found.bytes += bytes;
    else
      found.wrong.push_back(fmt::format("{}: its size cannot be read: {}", path, error.message()));
    if (const rocksdb::Status status = check_in_any_order(path); !status.ok())
      found.wrong.push_back(fmt::format("{}: {}", path, status.ToString()));
  }
  return found;
}

Result<> check_table_file(const std::string& path) {
  if (!path.ends_with(".sst")) return {};
  return done(check_in_any_order(path), reading_back(path));
}

Result<> check_files_in_use(rocksdb::DB& db,
                            const std::vector<rocksdb::ColumnFamilyDescriptor>& families,
                            const std::function<bool(uint64_t bytes)>& pace) {
  for (const LiveFileMetaData& file : files_in_use(db)) {
    const auto family = std::ranges::find(families, file.column_family_name,
                                          &rocksdb::ColumnFamilyDescriptor::name);
    if (family == families.end()) continue;
    const std::string path = file.db_path + file.name;
    const Result<> whole =
        done(check(path, {rocksdb::DBOptions(), family->options}), reading_back(path));
    if (!whole) {
      // Compactions replace files while this goes on.
      const auto is_same = [&file](const LiveFileMetaData& now) { return now.name == file.name; };
      if (std::ranges::any_of(files_in_use(db), is_same)) return whole;
    }
    if (!pace(file.size)) return {};
  }
  return {};
}

}  // namespace holdfast
