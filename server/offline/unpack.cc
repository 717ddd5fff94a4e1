#include "server/offline/unpack.h"

#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "storage/backup/reader.h"
#include "storage/fs/posix.h"

namespace holdfast::offline {
namespace {

constexpr size_t kReadBytes = size_t{1} << 20;

// Where the files of a backup go, one after another.
class Files {
 public:
  Files(FileSystem& fs, std::string directory) : fs_(fs), directory_(std::move(directory)) {}

  Result<> begin(const std::string& name) {
    HOLDFAST_TRY(end());
    HOLDFAST_ASSIGN(file_, fs_.create(directory_ + "/" + name));
    offset_ = 0;
    return {};
  }
  Result<> add(std::string_view bytes) {
    HOLDFAST_TRY(file_->write_at(offset_, bytes));
    offset_ += bytes.size();
    return {};
  }
  Result<> end() {
    if (!file_) return {};
    HOLDFAST_TRY(file_->sync());
    file_.reset();
    return {};
  }

 private:
  FileSystem& fs_;
  const std::string directory_;
  std::unique_ptr<File> file_;
  uint64_t offset_ = 0;
};

Result<> take(backup::Reader& reader, Files& files, Unpacked& unpacked) {
  while (true) {
    std::optional<backup::Reader::Event> event;
    HOLDFAST_ASSIGN(event, reader.next());
    if (!event) return {};
    if (const auto* head = std::get_if<backup::Head>(&*event)) unpacked.head = *head;
    if (const auto* file = std::get_if<backup::FileHead>(&*event))
      HOLDFAST_TRY(files.begin(file->name));
    if (const auto* piece = std::get_if<backup::Piece>(&*event))
      HOLDFAST_TRY(files.add(piece->bytes));
    if (const auto* end = std::get_if<backup::End>(&*event)) unpacked.checksum = end->checksum;
  }
}

}  // namespace

Result<Unpacked> unpack(FileSystem& fs, const std::string& file, const std::string& directory,
                        const Progress& progress) {
  PosixReader source;  // a backup may lie where nothing can be written
  HOLDFAST_ASSIGN(const std::unique_ptr<File> input, source.open(file));
  Files files(fs, directory);
  backup::Reader reader;
  Unpacked unpacked;
  while (true) {
    HOLDFAST_ASSIGN(const std::string bytes, input->read_at(unpacked.bytes, kReadBytes));
    if (bytes.empty()) break;
    unpacked.bytes += bytes.size();
    reader.feed(bytes);
    const Result<> taken = take(reader, files, unpacked);
    if (!taken) return fail(taken.error().code, fmt::format("{}: {}", file, taken.error().message));
    progress(unpacked.head, reader.file_bytes());
  }
  if (const Result<> whole = reader.finish(); !whole)
    return fail(whole.error().code, fmt::format("{}: {}", file, whole.error().message));
  HOLDFAST_TRY(files.end());
  HOLDFAST_TRY(fs.sync_directory(directory));
  return unpacked;
}

}  // namespace holdfast::offline
