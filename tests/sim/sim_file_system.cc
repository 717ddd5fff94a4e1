#include "tests/sim/sim_file_system.h"

#include <algorithm>
#include <set>

#include "storage/base/check.h"

namespace holdfast {
namespace {

constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kHuge = uint64_t{1} << 40;  // more than any test writes

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

void overwrite(std::string& bytes, uint64_t offset, std::string_view with) {
  if (bytes.size() < offset + with.size()) bytes.resize(offset + with.size(), '\0');
  bytes.replace(offset, with.size(), with);
}

}  // namespace

class SimFileSystem::SimFile final : public File {
 public:
  SimFile(SimFileSystem& fs, std::string path, std::shared_ptr<Inode> inode)
      : fs_(fs), path_(std::move(path)), inode_(std::move(inode)), opened_after_(fs.crashes_) {}

  Result<> write_at(uint64_t offset, std::string_view bytes) override {
    check_open();
    const uint64_t fits_until = inode_->seen.size() + std::min<uint64_t>(fs_.bytes_free(), kHuge);
    const bool is_full = offset + bytes.size() > fits_until;
    if (is_full) bytes = bytes.substr(0, std::max(offset, fits_until) - offset);
    overwrite(inode_->seen, offset, bytes);
    inode_->differs = true;
    inode_->unsynced.push_back({.offset = offset, .bytes = std::string(bytes)});
    HOLDFAST_TRY(fs_.spend_act(path_));  // a write that fails may still have arrived, or a part
    if (is_full) return fail(ErrorCode::kNoSpace, "write " + path_ + ": No space left on device");
    return {};
  }

  Result<> take_room(uint64_t bytes) override {
    const uint64_t has = inode_->seen.size();
    return bytes <= has ? Result<>() : write_at(has, std::string(bytes - has, '\0'));
  }

  Result<std::string> read_at(uint64_t offset, size_t count) const override {
    check_open();
    std::string bytes;
    bytes.reserve(count);  // as the operating system's files do: a count without bounds is a bug
    if (offset < inode_->seen.size()) bytes.append(inode_->seen, offset, count);
    return bytes;
  }

  Result<> sync() override {
    check_open();
    if (std::exchange(fs_.fail_next_sync_, false)) {
      inode_->unsynced.clear();  // pages marked clean: seen by readers, and never written
      inode_->failed = true;
      return fail(ErrorCode::kIo, "sync " + path_ + ": Input/output error");
    }
    HOLDFAST_TRY(fs_.spend_act(path_));
    for (const Inode::Write& write : inode_->unsynced)
      overwrite(inode_->durable, write.offset, write.bytes);
    inode_->unsynced.clear();
    inode_->differs = inode_->failed;
    return {};
  }

  Result<uint64_t> size() const override {
    check_open();
    return inode_->seen.size();
  }

 private:
  void check_open() const {
    CHECK(opened_after_ == fs_.crashes_, "{} is used after the crash that closed it", path_);
  }

  SimFileSystem& fs_;
  const std::string path_;
  const std::shared_ptr<Inode> inode_;
  const uint64_t opened_after_;
};

// Often everything or nothing arrives, and these are the cases that a fair coin for each sector
// would never show.
double SimFileSystem::draw_share_kept() {
  switch (random_.below(4)) {
    case 0:
      return 0.0;
    case 1:
      return 1.0;
    default:
      return static_cast<double>(random_.between(1, 19)) / 20.0;
  }
}

void SimFileSystem::settle(Inode& inode) {
  if (!inode.differs) return;
  const double share_kept = draw_share_kept();
  for (const Inode::Write& write : inode.unsynced) {
    const uint64_t end = write.offset + write.bytes.size();
    for (uint64_t at = write.offset; at < end;) {
      const uint64_t next = std::min(end, (at / kSectorBytes + 1) * kSectorBytes);
      if (random_.chance(share_kept)) {
        overwrite(inode.durable, at,
                  std::string_view(write.bytes).substr(at - write.offset, next - at));
      }
      at = next;
    }
  }
  inode.unsynced.clear();
  inode.seen = inode.durable;
  inode.differs = inode.failed = false;
}

void SimFileSystem::crash() {
  ++crashes_;
  acts_left_ = UINT64_MAX;
  const double share_kept = draw_share_kept();
  for (const NameChange& change : unsynced_)
    if (random_.chance(share_kept)) apply(change, durable_);
  unsynced_.clear();
  seen_ = durable_;
  std::set<const Inode*> settled;  // a file may have two names: settled once, at its first
  for (const auto& [path, inode] : seen_)
    if (settled.insert(inode.get()).second) settle(*inode);
}

std::map<std::string, std::string> SimFileSystem::files() const {
  std::map<std::string, std::string> bytes;
  for (const auto& [path, inode] : seen_) bytes[path] = inode->seen;
  return bytes;
}

void SimFileSystem::place(const std::string& path, std::string bytes) {
  auto inode = std::make_shared<Inode>();
  inode->durable = bytes;
  inode->seen = std::move(bytes);
  durable_[path] = inode;
  seen_[path] = inode;
}

Result<std::unique_ptr<File>> SimFileSystem::create(const std::string& path) {
  if (seen_.contains(path)) return fail(ErrorCode::kIo, "open " + path + ": File exists");
  HOLDFAST_TRY(spend_act(path));
  auto inode = std::make_shared<Inode>();
  change_names({{path, inode}});
  return std::make_unique<SimFile>(*this, path, std::move(inode));
}

Result<std::unique_ptr<File>> SimFileSystem::open(const std::string& path) {
  const auto found = seen_.find(path);
  if (found == seen_.end())
    return fail(ErrorCode::kNotFound, "open " + path + ": No such file or directory");
  return std::make_unique<SimFile>(*this, path, found->second);
}

Result<bool> SimFileSystem::exists(const std::string& path) const {
  return seen_.contains(path);
}

Result<std::vector<std::string>> SimFileSystem::list(const std::string& directory) const {
  std::vector<std::string> names;
  for (const auto& [path, inode] : seen_)
    if (directory_of(path) == directory) names.push_back(path.substr(directory.size() + 1));
  return names;
}

Result<> SimFileSystem::create_directories(const std::string&) {
  return {};
}

Result<> SimFileSystem::rename(const std::string& from, const std::string& to) {
  CHECK(directory_of(from) == directory_of(to), "{} {}", from, to);
  const auto found = seen_.find(from);
  if (found == seen_.end())
    return fail(ErrorCode::kNotFound, "rename " + from + ": No such file or directory");
  const std::shared_ptr<Inode> inode = found->second;
  change_names({{to, inode}, {from, nullptr}});
  return spend_act(to);
}

Result<> SimFileSystem::remove(const std::string& path) {
  if (!seen_.contains(path))
    return fail(ErrorCode::kNotFound, "remove " + path + ": No such file or directory");
  change_names({{path, nullptr}});
  return spend_act(path);
}

Result<> SimFileSystem::remove_directory(const std::string& path) {
  HOLDFAST_ASSIGN(const std::vector<std::string> names, list(path));
  if (!names.empty())
    return fail(ErrorCode::kIo, "remove directory " + path + ": Directory not empty");
  return {};
}

Result<> SimFileSystem::sync_directory(const std::string& directory) {
  HOLDFAST_TRY(spend_act(directory));
  std::erase_if(unsynced_, [&](const NameChange& change) {
    if (directory_of(change.front().first) != directory) return false;
    apply(change, durable_);
    return true;
  });
  return {};
}

Result<DiskSpace> SimFileSystem::space(const std::string&) const {
  return DiskSpace{.free = bytes_free(), .total = bytes_max_};
}

void SimFileSystem::leave_free(uint64_t bytes) {
  bytes_max_ = bytes_used() + bytes;
}

uint64_t SimFileSystem::bytes_used() const {
  uint64_t used = 0;
  for (const auto& [path, inode] : seen_) used += inode->seen.size();
  return used;
}

uint64_t SimFileSystem::bytes_free() const {
  return bytes_max_ == UINT64_MAX ? UINT64_MAX : bytes_max_ - std::min(bytes_used(), bytes_max_);
}

Result<> SimFileSystem::spend_act(const std::string& path) {
  if (acts_left_ == 0) return fail(ErrorCode::kIo, path + ": the power has failed");
  if (acts_left_ != UINT64_MAX) --acts_left_;
  return {};
}

void SimFileSystem::apply(const NameChange& change, Names& names) {
  for (const auto& [path, inode] : change) {
    if (inode) {
      names[path] = inode;
    } else {
      names.erase(path);
    }
  }
}

void SimFileSystem::change_names(NameChange change) {
  apply(change, seen_);
  unsynced_.push_back(std::move(change));
}

}  // namespace holdfast
