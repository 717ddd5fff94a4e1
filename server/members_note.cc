#include "server/members_note.h"

#include "storage/base/log.h"
#include "storage/fs/note.h"

namespace holdfast {
namespace {

constexpr NoteKind kMembersNote{
    .magic = 0x424d454d44465448, .version = 1, .body_bytes_min = 0};  // "HTFDMEMB"

std::string path_in(const std::string& group) {
  return group + "/MEMBERS";
}

}  // namespace

Result<std::optional<raft::Members>> noted_members(FileSystem& fs, const std::string& group) {
  const Result<std::optional<std::string>> body = read_note(fs, path_in(group), kMembersNote);
  if (!body && body.error().code == ErrorCode::kCorrupt) {
    // A state that is whole has the list, too, and it is noted again.
    log_warning("{}: who the members of this node's group are is taken from elsewhere",
                body.error().message);
    return std::nullopt;
  }
  if (!body) return std::unexpected(body.error());
  if (!*body) return std::nullopt;
  return raft::decode_members(**body);
}

Result<> note_members(FileSystem& fs, const std::string& group, const raft::Members& members) {
  HOLDFAST_ASSIGN(const std::optional<raft::Members> noted, noted_members(fs, group));
  if (noted == members) return {};
  const std::string path = path_in(group);
  const Result<> written = write_note(fs, path, kMembersNote, raft::encode_members(members).view());
  if (written) return {};
  log_warning("the members of this node's group were not noted: {}", written.error().message);
  HOLDFAST_ASSIGN(const bool there, fs.exists(path));
  if (!there) return {};
  HOLDFAST_TRY(fs.remove(path));
  return fs.sync_directory(group);
}

}  // namespace holdfast
