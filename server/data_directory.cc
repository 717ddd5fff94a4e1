#include "server/data_directory.h"

#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "storage/base/bytes.h"

namespace holdfast {
namespace {

std::string hex(uint64_t value) {
  return fmt::format("{:016x}", value);
}

uint64_t from_hex(const nlohmann::json& json) {
  return std::stoull(json.get<std::string>(), nullptr, 16);
}

// One line of JSON and one line with its checksum.
std::string encode(const Identity& identity) {
  nlohmann::json json = {{"format", DataDirectory::kFormat},
                         {"node_id", hex(identity.node.value)},
                         {"name", identity.name},
                         {"cluster_id", hex(identity.cluster.value)},
                         {"first_members", nlohmann::json::array()},
                         {"removed", identity.removed}};
  for (const raft::Member& member : identity.first_members.list)
    json["first_members"].push_back({{"id", hex(member.id.value)},
                                     {"name", member.name},
                                     {"peer", member.peer_address},
                                     {"voter", member.voter}});
  const std::string line = json.dump();
  return line + "\n" + hex(checksum(line)) + "\n";
}

Result<Identity> decode(std::string_view bytes, const std::string& path) {
  const size_t end = bytes.find('\n');
  const std::string line(bytes.substr(0, end));
  if (end == std::string_view::npos || bytes.substr(end) != "\n" + hex(checksum(line)) + "\n")
    return fail(ErrorCode::kCorrupt,
                fmt::format("{} is damaged: its checksum does not match. This node cannot know who "
                            "it is. Remove the whole folder and let it join its cluster as a new "
                            "node (--join)",
                            path));
  try {
    const nlohmann::json json = nlohmann::json::parse(line);
    const int format = json.at("format").get<int>();
    if (format > DataDirectory::kFormat)
      return fail(ErrorCode::kInvalid,
                  fmt::format("{} has format {}, this version of holdfastd reads up to {}: start "
                              "the newer version that wrote it",
                              path, format, DataDirectory::kFormat));
    Identity identity{.node = NodeId{from_hex(json.at("node_id"))},
                      .name = json.at("name").get<std::string>(),
                      .cluster = ClusterId{from_hex(json.at("cluster_id"))},
                      .first_members = {},
                      .removed = json.at("removed").get<bool>()};
    for (const nlohmann::json& member : json.at("first_members"))
      identity.first_members.list.push_back(
          {NodeId{from_hex(member.at("id"))}, member.at("name").get<std::string>(),
           member.at("peer").get<std::string>(), member.at("voter").get<bool>()});
    return identity;
  } catch (const std::exception& problem) {
    return fail(ErrorCode::kCorrupt, fmt::format("{}: {}", path, problem.what()));
  }
}

}  // namespace

std::string group_directory(const std::string& directory, GroupId group) {
  return fmt::format("{}/groups/{}", directory, group.value);
}

Result<Identity> read_identity(FileSystem& fs, const std::string& path) {
  const std::string file_name = path + "/IDENTITY";
  HOLDFAST_ASSIGN(const std::unique_ptr<File> file, fs.open(file_name));
  HOLDFAST_ASSIGN(const uint64_t size, file->size());
  HOLDFAST_ASSIGN(const std::string bytes, file->read_at(0, size));
  return decode(bytes, file_name);
}

Result<> write_identity(FileSystem& fs, const std::string& path, const Identity& identity) {
  return replace_file(fs, path + "/IDENTITY", encode(identity));
}

Result<DirectoryLock> DirectoryLock::take(const std::string& path) {
  return take(path, O_RDWR | O_CREAT);
}

Result<DirectoryLock> DirectoryLock::take_to_read(const std::string& path) {
  return take(path, O_RDONLY);
}

Result<DirectoryLock> DirectoryLock::take(const std::string& path, int open_flags) {
  const std::string name = path + "/LOCK";
  Descriptor file(::open(name.c_str(), open_flags | O_CLOEXEC, 0600));
  if (!file.is_open() && errno == ENOENT && (open_flags & O_CREAT) == 0)
    return DirectoryLock(Descriptor());
  if (!file.is_open())
    return fail(ErrorCode::kIo, fmt::format("open {}: {}", name, std::strerror(errno)));
  if (::flock(file.number(), LOCK_EX | LOCK_NB) == 0) return DirectoryLock(std::move(file));
  if (errno == EWOULDBLOCK)
    return fail(ErrorCode::kInvalid,
                fmt::format("another process uses {}: stop it first, or give this node a folder of "
                            "its own (--data-dir)",
                            path));
  return fail(ErrorCode::kIo, fmt::format("lock {}: {}", name, std::strerror(errno)));
}

Result<DataDirectory> DataDirectory::open(FileSystem& fs, std::string path, const std::string& name,
                                          NodeId node, const std::string& name_if_none) {
  HOLDFAST_TRY(fs.create_directories(path));
  HOLDFAST_ASSIGN(DirectoryLock lock, DirectoryLock::take(path));
  DataDirectory directory(std::move(path), std::move(lock));
  HOLDFAST_ASSIGN(const bool known, fs.exists(directory.path_ + "/IDENTITY"));
  HOLDFAST_ASSIGN(const bool is_half_restored, fs.exists(directory.path_ + "/" + kRestoring));
  if (is_half_restored)
    return fail(ErrorCode::kInvalid,
                fmt::format("a restore into {} did not come to its end: run the same `holdfast "
                            "restore` again, or remove the whole folder",
                            directory.path_));
  if (!known) {
    HOLDFAST_ASSIGN(const bool has_groups, fs.exists(directory.path_ + "/groups"));
    if (has_groups)
      return fail(ErrorCode::kCorrupt,
                  fmt::format("{} holds data but its IDENTITY file is gone: put the file back, or "
                              "remove the whole folder and let the node join anew (--join)",
                              directory.path_));
    directory.identity_.node = node;
    directory.identity_.name = name.empty() ? name_if_none : name;
    HOLDFAST_TRY(write_identity(fs, directory.path_, directory.identity_));
    return directory;
  }
  HOLDFAST_ASSIGN(directory.identity_, read_identity(fs, directory.path_));
  if (!name.empty() && name != directory.identity_.name)
    return fail(ErrorCode::kInvalid,
                fmt::format("{} belongs to node {}, not {}: check --data-dir and --name",
                            directory.path_, directory.identity_.name, name));
  return directory;
}

std::string DataDirectory::group_path(GroupId group) const {
  return group_directory(path_, group);
}

Result<> DataDirectory::enter(FileSystem& fs, Entered entered) {
  identity_.cluster = entered.cluster;
  identity_.first_members = std::move(entered.members);
  return write_identity(fs, path_, identity_);
}

Result<> DataDirectory::become(FileSystem& fs, NodeId other) {
  identity_ = {.node = other, .name = identity_.name, .cluster = {}, .first_members = {}};
  return write_identity(fs, path_, identity_);
}

Result<> DataDirectory::note_removal(FileSystem& fs) {
  identity_.removed = true;
  return write_identity(fs, path_, identity_);
}

}  // namespace holdfast
