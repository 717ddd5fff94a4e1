#pragma once

// A disk in memory that keeps exactly what was promised. At a crash, of what was written since the
// last sync any 512-byte sectors may have arrived, in any order, and of the names that were
// changed since their directory was synced any may have. Everything follows from the seed. One
// thread. Directories themselves are durable when made, as create_directories promises.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/base/random.h"
#include "storage/fs/file_system.h"

namespace holdfast {

class SimFileSystem final : public FileSystem {
 public:
  explicit SimFileSystem(uint64_t seed) : random_(seed) {}

  // The power fails, and comes back. Open files must not be used again.
  void crash();
  // The power fails in the middle of something: this many more acts (creating, writing, syncing,
  // renaming, removing) succeed, then all fail until `crash`.
  void lose_power_after(uint64_t acts) { acts_left_ = acts; }
  // The next sync of a file fails, and what it should have made durable is lost.
  void fail_next_sync() { fail_next_sync_ = true; }

  // From now on all files together have no more bytes than so many: what would go beyond fails,
  // with as much of it written as fits.
  void limit(uint64_t bytes) { bytes_max_ = bytes; }
  // As limit, for what is to be free now.
  void leave_free(uint64_t bytes);

  // Every file's bytes by path, as a reader sees them.
  std::map<std::string, std::string> files() const;
  // A file that is there, durably, with these bytes: whatever was under this path is gone.
  void place(const std::string& path, std::string bytes);

  Result<std::unique_ptr<File>> create(const std::string& path) override;
  Result<std::unique_ptr<File>> open(const std::string& path) override;
  Result<bool> exists(const std::string& path) const override;
  Result<std::vector<std::string>> list(const std::string& directory) const override;
  Result<> create_directories(const std::string& path) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> remove(const std::string& path) override;
  Result<> remove_directory(const std::string& path) override;
  Result<> sync_directory(const std::string& directory) override;
  Result<DiskSpace> space(const std::string& directory) const override;

 private:
  class SimFile;

  struct Inode {
    struct Write {
      uint64_t offset;
      std::string bytes;
    };
    std::string durable;
    std::string seen;             // with everything written since
    std::vector<Write> unsynced;  // in the order of writing
    bool failed = false;          // a sync since the last crash
    bool differs = false;         // `seen` may be other than `durable`
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  // Names that change in one act: all or none. An empty pointer: the name goes.
  using NameChange = std::vector<std::pair<std::string, std::shared_ptr<Inode>>>;

  Result<> spend_act(const std::string& path);
  static void apply(const NameChange& change, Names& names);
  void change_names(NameChange change);
  uint64_t bytes_used() const;
  uint64_t bytes_free() const;
  double draw_share_kept();
  void settle(Inode& inode);

  Random random_;
  bool fail_next_sync_ = false;
  uint64_t acts_left_ = UINT64_MAX;
  uint64_t bytes_max_ = UINT64_MAX;
  uint64_t crashes_ = 0;
  Names seen_;
  Names durable_;
  std::vector<NameChange> unsynced_;  // in the order of the acts
};

}  // namespace holdfast
