#include "server/rejoin.h"

#include <utility>

#include <fmt/format.h>

#include "storage/base/codec.h"
#include "storage/fs/note.h"
#include "storage/kv/state_directory.h"

namespace holdfast {
namespace {

constexpr size_t kRejoinFixedBytes = 4 * sizeof(uint64_t);
constexpr NoteKind kRejoinNote{
    .magic = 0x4e4a455244465448, .version = 1, .body_bytes_min = kRejoinFixedBytes};  // "HTFDREJN"

constexpr NoteKind kUrlsNote{
    .magic = 0x534c525544465448, .version = 1, .body_bytes_min = 0};  // "HTFDURLS"

std::string urls_path(const std::string& group) {
  return group + "/URLS";
}

// Takes the lines up to an empty one, or to the end, from the front of `rest`.
std::vector<std::string> take_lines(std::string_view& rest) {
  std::vector<std::string> lines;
  for (size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (line.empty()) break;
    lines.emplace_back(line);
  }
  return lines;
}

std::string rejoin_path(const std::string& data_dir) {
  return data_dir + "/REJOIN";
}

}  // namespace

std::string groups_aside(const std::string& directory) {
  return directory + "/groups.damaged";
}

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
  const auto field = [&](size_t at) { return load_fixed<uint64_t>((*body)->data() + 8 * at); };
  RejoinNote note{.old_id = {field(0)},
                  .cluster = {field(1)},
                  .stays_learner = field(2) != 0,
                  .asked = field(3) != 0,
                  .urls = {},
                  .why = {}};
  std::string_view rest = std::string_view(**body).substr(kRejoinFixedBytes);
  note.urls = take_lines(rest);
  note.why = rest;
  return note;
}

Result<> note_rejoin(FileSystem& fs, const std::string& data_dir, const RejoinNote& note) {
  std::string body;
  put_fixed(body, note.old_id.value);
  put_fixed(body, note.cluster.value);
  put_fixed(body, uint64_t{note.stays_learner});
  put_fixed(body, uint64_t{note.asked});
  for (const std::string& url : note.urls) body += url + "\n";
  return write_note(fs, rejoin_path(data_dir), kRejoinNote, body + "\n" + note.why);
}

Result<> end_rejoin(FileSystem& fs, const std::string& data_dir) {
  HOLDFAST_TRY(fs.remove(rejoin_path(data_dir)));
  return fs.sync_directory(data_dir);
}

Result<> note_urls(FileSystem& fs, const std::string& group, const std::vector<std::string>& urls) {
  if (urls.empty()) return {};
  std::string body;
  for (const std::string& url : urls) body += url + "\n";
  return write_note(fs, urls_path(group), kUrlsNote, body);
}

std::vector<std::string> noted_urls(FileSystem& fs, const std::string& group) {
  const Result<std::optional<std::string>> body = read_note(fs, urls_path(group), kUrlsNote);
  if (!body || !*body) return {};
  std::string_view rest = **body;
  return take_lines(rest);
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
