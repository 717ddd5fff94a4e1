#include "server/rebuild.h"

#include <utility>

#include <fmt/core.h>

#include "storage/base/codec.h"
#include "storage/fs/note.h"
#include "storage/kv/state_directory.h"

namespace holdfast {
namespace {

constexpr size_t kFixedBytes = 2 * sizeof(uint64_t);
constexpr NoteKind kRebuildNote{
    .magic = 0x4452425244465448, .version = 2, .body_bytes_min = kFixedBytes};  // "HTFDRBRD"

std::string rebuild_path(const std::string& group) {
  return group + "/REBUILD";
}

Result<> write_rebuild_note(FileSystem& fs, const std::string& group, const RebuildNote& note) {
  std::string body;
  put_fixed(body, uint64_t{note.dropped});
  put_fixed(body, static_cast<uint64_t>(note.times));
  return write_note(fs, rebuild_path(group), kRebuildNote, body + note.why);
}

}  // namespace

std::string damaged_state_path(const std::string& group) {
  return group + "/damaged-state";
}

Result<std::optional<RebuildNote>> read_rebuild_note(FileSystem& fs, const std::string& group) {
  const Result<std::optional<std::string>> body = read_note(fs, rebuild_path(group), kRebuildNote);
  if (!body && body.error().code == ErrorCode::kCorrupt)
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}. It says that this node's state is, too: remove the node's data "
                            "folder and let it join anew (--join)",
                            body.error().message));
  if (!body) return std::unexpected(body.error());
  if (!*body) return std::nullopt;
  const auto field = [&](size_t at) { return load_fixed<uint64_t>((*body)->data() + 8 * at); };
  return RebuildNote{.dropped = field(0) != 0,
                     .times = static_cast<int>(field(1)),
                     .why = (*body)->substr(kFixedBytes)};
}

Result<RebuildNote> note_damaged_state(FileSystem& fs, const std::string& group,
                                       const std::string& why) {
  HOLDFAST_ASSIGN(const std::optional<RebuildNote> before, read_rebuild_note(fs, group));
  RebuildNote note{.times = before ? before->times + 1 : 1, .why = why};
  HOLDFAST_TRY(write_rebuild_note(fs, group, note));
  return note;
}

Result<> drop_damaged_state(FileSystem& fs, const std::string& group, RebuildNote& note) {
  if (note.times > kRebuildsMax)
    return fail(
        ErrorCode::kCorrupt,
        fmt::format("the state of this node was made anew {} times and is damaged again: {}. "
                    "Replace the disk, then remove the node's data folder and let it join "
                    "anew (--join)",
                    kRebuildsMax, note.why));
  HOLDFAST_ASSIGN(const StateDirectory states, StateDirectory::open(group + "/state"));
  HOLDFAST_ASSIGN(const bool there, fs.exists(states.active()));
  if (there) {
    HOLDFAST_TRY(remove_tree(damaged_state_path(group)));
    HOLDFAST_TRY(fs.rename(states.active(), damaged_state_path(group)));
  }
  HOLDFAST_ASSIGN(const std::vector<std::string> names, fs.list(group));
  for (const std::string& name : names)
    if (name == "state" || name.starts_with("state."))
      HOLDFAST_TRY(remove_tree(group + "/" + name));
  HOLDFAST_TRY(fs.sync_directory(group));
  note.dropped = true;
  return write_rebuild_note(fs, group, note);
}

Result<> remove_damaged_state(const std::string& group) {
  return remove_tree(damaged_state_path(group));
}

Result<> end_rebuild(FileSystem& fs, const std::string& group) {
  HOLDFAST_TRY(fs.remove(rebuild_path(group)));
  HOLDFAST_TRY(fs.sync_directory(group));
  return remove_damaged_state(group);
}

}  // namespace holdfast
