#include "server/rebuild.h"

#include <utility>

#include <fmt/core.h>

#include "storage/base/codec.h"
#include "storage/kv/state_directory.h"

namespace holdfast {
namespace {

constexpr uint64_t kMagic = 0x4452425244465448;  // "HTFDRBRD"
constexpr uint64_t kVersion = 1;
constexpr size_t kFixedBytes = 6 * sizeof(uint64_t);

std::string aside(const std::string& group) {
  return group + "/damaged-state";
}

Result<> write_note(FileSystem& fs, const std::string& group, const RebuildNote& note) {
  const Bytes members = raft::encode_members(note.members);
  std::string bytes;
  put_fixed(bytes, kMagic);
  put_fixed(bytes, kVersion);
  put_fixed(bytes, uint64_t{note.dropped});
  put_fixed(bytes, static_cast<uint64_t>(note.times));
  put_fixed(bytes, uint64_t{members.size()});
  bytes += members.view();
  bytes += note.why;
  put_fixed(bytes, checksum(bytes));
  return replace_file(fs, rebuild_path(group), bytes);
}

}  // namespace

std::string rebuild_path(const std::string& group) {
  return group + "/REBUILD";
}

Result<std::optional<RebuildNote>> read_rebuild_note(FileSystem& fs, const std::string& group) {
  const std::string path = rebuild_path(group);
  HOLDFAST_ASSIGN(const bool there, fs.exists(path));
  if (!there) return std::nullopt;
  HOLDFAST_ASSIGN(const std::unique_ptr<File> file, fs.open(path));
  HOLDFAST_ASSIGN(const uint64_t size, file->size());
  HOLDFAST_ASSIGN(const std::string bytes, file->read_at(0, size));
  const auto field = [&bytes](size_t at) { return load_fixed<uint64_t>(bytes.data() + 8 * at); };
  const size_t end = bytes.size() - std::min(bytes.size(), sizeof(uint64_t));
  if (bytes.size() < kFixedBytes || field(0) != kMagic ||
      checksum(std::string_view(bytes).substr(0, end)) != load_fixed<uint64_t>(bytes.data() + end))
    return fail(ErrorCode::kCorrupt,
                fmt::format("{} is damaged. It says that this node's state is, too: remove the "
                            "node's data folder and let it join anew (--join)",
                            path));
  if (field(1) > kVersion)
    return fail(ErrorCode::kInvalid,
                path + " is of a newer format: start the newer version that wrote it");
  RebuildNote note{.dropped = field(2) != 0, .times = static_cast<int>(field(3))};
  const std::string_view rest = std::string_view(bytes).substr(40, end - 40);
  HOLDFAST_ASSIGN(note.members, raft::decode_members(rest.substr(0, field(4))));
  note.why = rest.substr(field(4));
  return note;
}

Result<> note_damaged_state(FileSystem& fs, const std::string& group, const raft::Members& members,
                            const std::string& why) {
  RebuildNote note{.members = members, .why = why};
  HOLDFAST_ASSIGN(const std::optional<RebuildNote> before, read_rebuild_note(fs, group));
  if (before) note.times = before->times + 1;
  return write_note(fs, group, note);
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
    HOLDFAST_TRY(remove_tree(aside(group)));
    HOLDFAST_TRY(fs.rename(states.active(), aside(group)));
  }
  HOLDFAST_ASSIGN(const std::vector<std::string> names, fs.list(group));
  for (const std::string& name : names)
    if (name == "state" || name.starts_with("state."))
      HOLDFAST_TRY(remove_tree(group + "/" + name));
  HOLDFAST_TRY(fs.sync_directory(group));
  note.dropped = true;
  return write_note(fs, group, note);
}

Result<> remove_damaged_state(const std::string& group) {
  return remove_tree(aside(group));
}

}  // namespace holdfast
