#include "storage/kv/rocks_read_back.h"

#include <algorithm>

#include <fmt/core.h>
#include <rocksdb/db.h>
#include <rocksdb/sst_file_reader.h>

#include "storage/kv/rocks_words.h"

namespace holdfast {
namespace {

using rocksdb::LiveFileMetaData;

std::vector<LiveFileMetaData> files_in_use(rocksdb::DB& db) {
  std::vector<LiveFileMetaData> files;
  db.GetLiveFilesMetaData(&files);
  return files;
}

Result<> read_back(const rocksdb::Options& options, const std::string& path) {
  rocksdb::SstFileReader reader(options);
  const std::string doing = "reading back the state's file '" + path + "'";
  HOLDFAST_TRY(done(reader.Open(path), doing));
  return done(reader.VerifyChecksum(), doing);
}

}  // namespace

Result<> read_back_files(rocksdb::DB& db,
                         const std::vector<rocksdb::ColumnFamilyDescriptor>& families,
                         const std::function<bool(uint64_t bytes)>& pace) {
  for (const LiveFileMetaData& file : files_in_use(db)) {
    const auto family = std::ranges::find(families, file.column_family_name,
                                          &rocksdb::ColumnFamilyDescriptor::name);
    if (family == families.end()) continue;
    const std::string path = file.db_path + file.name;
    const Result<> whole = read_back({rocksdb::DBOptions(), family->options}, path);
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
