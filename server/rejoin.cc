#include "server/rejoin.h"

#include <utility>

#include <fmt/format.h>

#include "storage/base/codec.h"
#include "storage/fs/note.h"
#include "storage/kv/state_directory.h"

namespace holdfast {
namespace {

constexpr size_t kIdBytes = sizeof(uint64_t);
constexpr NoteKind kRejoinNote{
    .magic = 0x4e4a455244465448, .version = 1, .body_bytes_min = kIdBytes};  // "HTFDREJN"

std::string rejoin_path(const std::string& data_dir) {
  return data_dir + "/REJOIN";
}

std::string groups_aside(const std::string& directory) {
  return directory + "/groups.damaged";
}

}  // namespace

Result<std::optional<RejoinNote>> read_rejoin_note(FileSystem& fs, const std::string& data_dir) {
  const Result<std::optional<std::string>> body = read_note(fs, rejoin_path(data_dir), kRejoinNote);
  if (!body && body.error().code == ErrorCode::kCorrupt)
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}. It says that this node is to come back as another one: remove its "
                            "data folder, remove it from the cluster (holdfast members remove "
                            "NAME), and start it with --join URL",
                            body.error().message));
  if (!body) return std::unexpected(body.error());
  if (!*body) return std::nullopt;
  RejoinNote note{.old_id = {load_fixed<uint64_t>((*body)->data())}, .urls = {}, .why = {}};
  std::string_view rest = std::string_view(**body).substr(kIdBytes);
  for (size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (line.empty()) break;
    note.urls.emplace_back(line);
  }
  note.why = rest;
  return note;
}

Result<> note_rejoin(FileSystem& fs, const std::string& data_dir, const RejoinNote& note) {
  std::string body;
  put_fixed(body, note.old_id.value);
  for (const std::string& url : note.urls) body += url + "\n";
  return write_note(fs, rejoin_path(data_dir), kRejoinNote, body + "\n" + note.why);
}

Result<> end_rejoin(FileSystem& fs, const std::string& data_dir) {
  HOLDFAST_TRY(fs.remove(rejoin_path(data_dir)));
  return fs.sync_directory(data_dir);
}

Result<> put_groups_aside(FileSystem& fs, const std::string& directory) {
  const std::string groups = directory + "/groups";
  HOLDFAST_ASSIGN(const bool there, fs.exists(groups));
  if (!there) return {};
  HOLDFAST_TRY(remove_groups_aside(directory));
  HOLDFAST_TRY(fs.rename(groups, groups_aside(directory)));
  return fs.sync_directory(directory);
}

Result<> remove_groups_aside(const std::string& directory) {
  return remove_tree(groups_aside(directory));
}

}  // namespace holdfast
