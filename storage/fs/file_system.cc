#include "storage/fs/file_system.h"

namespace holdfast {

Result<> replace_file(FileSystem& fs, const std::string& path, std::string_view bytes) {
  const std::string aside = path + ".new";
  HOLDFAST_ASSIGN(const bool left_over, fs.exists(aside));
  if (left_over) HOLDFAST_TRY(fs.remove(aside));
  {
    HOLDFAST_ASSIGN(const std::unique_ptr<File> file, fs.create(aside));
    HOLDFAST_TRY(file->write_at(0, bytes));
    HOLDFAST_TRY(file->sync());
  }
  HOLDFAST_TRY(fs.rename(aside, path));
  const size_t slash = path.rfind('/');
  return fs.sync_directory(slash == std::string::npos ? "." : path.substr(0, slash));
}

}  // namespace holdfast
