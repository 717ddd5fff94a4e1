#include "storage/fs/note.h"

#include <fmt/core.h>

#include "storage/base/bytes.h"
#include "storage/base/codec.h"

namespace holdfast {
namespace {

constexpr size_t kField = sizeof(uint64_t);
constexpr size_t kHeadBytes = 2 * kField;

}  // namespace

Result<> write_note(FileSystem& fs, const std::string& path, const NoteKind& kind,
                    std::string_view body) {
  std::string bytes;
  put_fixed(bytes, kind.magic);
  put_fixed(bytes, kind.version);
  bytes += body;
  put_fixed(bytes, checksum(bytes));
  return replace_file(fs, path, bytes);
}

Result<std::optional<std::string>> read_note(FileSystem& fs, const std::string& path,
                                             const NoteKind& kind) {
  HOLDFAST_ASSIGN(const bool there, fs.exists(path));
  if (!there) return std::nullopt;
  HOLDFAST_ASSIGN(const std::unique_ptr<File> file, fs.open(path));
  HOLDFAST_ASSIGN(const uint64_t size, file->size());
  HOLDFAST_ASSIGN(const std::string bytes, file->read_at(0, size));
  const auto is_damaged = [&] { return fail(ErrorCode::kCorrupt, path + " is damaged"); };
  if (bytes.size() < kHeadBytes + kField) return is_damaged();
  const size_t end = bytes.size() - kField;
  if (load_fixed<uint64_t>(bytes.data()) != kind.magic ||
      load_fixed<uint64_t>(bytes.data() + end) != checksum(std::string_view(bytes).substr(0, end)))
    return is_damaged();
  if (const auto version = load_fixed<uint64_t>(bytes.data() + kField); version != kind.version)
    return fail(ErrorCode::kInvalid,
                fmt::format("{} has format {}, this version of holdfastd reads {}: start the "
                            "version that wrote it",
                            path, version, kind.version));
  if (end - kHeadBytes < kind.body_bytes_min) return is_damaged();
  return bytes.substr(kHeadBytes, end - kHeadBytes);
}

}  // namespace holdfast
