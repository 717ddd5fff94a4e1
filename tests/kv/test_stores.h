#pragma once

// The two engines behind one face for tests that must hold on both: a store can be asked for its
// engine, and be crashed. RocksDB is left out under ThreadSanitizer: as packaged it is not
// instrumented.

#include <algorithm>
#include <filesystem>
#include <memory>
#include <stdlib.h>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "storage/base/check.h"
#include "storage/kv/memory_engine.h"
#include "storage/kv/rocks_engine.h"

namespace holdfast {

// Who applies, in tests of one replica.
inline constexpr NodeId kSelf{1};

inline Row row(uint64_t revision, std::string value) {
  return {{{revision}, {revision}, 1, 77}, std::move(value)};
}

// Beside the test program, on a real file system.
inline std::string test_path(const std::string& name) {
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path() / name).string();
}

// A directory of its own, removed at the end.
class TestDirectory {
 public:
  TestDirectory() { CHECK(mkdtemp(path_.data()) != nullptr); }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  ~TestDirectory() { std::filesystem::remove_all(path_); }

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_ = test_path("kv_test_XXXXXX");
};

class TestStore {
 public:
  virtual ~TestStore() = default;
  virtual Engine& engine() = 0;
  // What was not flushed may be lost. Pointers to the engine are void.
  virtual void crash(Random& random) = 0;
  // Everything that the engine's history floor allows to be forgotten is forgotten now.
  virtual void reclaim() {}
  // Where a checkpoint of this name goes.
  virtual std::string checkpoint_path(const std::string& name) const { return name; }
  // The checkpoint of this name comes to another store of the same kind, as over a network.
  virtual void send(const std::string& name, TestStore& to) = 0;
};

class MemoryStore final : public TestStore {
 public:
  Engine& engine() override { return engine_; }
  void crash(Random& random) override { engine_.crash(random); }
  void send(const std::string& name, TestStore& to) override {
    static_cast<MemoryStore&>(to).engine_.put_image(name, engine_.take_image(name));
  }

 private:
  MemoryEngine engine_;
};

class RocksStore final : public TestStore {
 public:
  RocksStore() { open(); }
  Engine& engine() override { return *engine_; }
  RocksEngine& rocks() { return *engine_; }
  void crash(Random&) override {
    engine_.reset();
    open();
  }
  void reclaim() override {
    CHECK(engine_->flush().has_value());
    CHECK(engine_->compact().has_value());
  }
  std::string checkpoint_path(const std::string& name) const override { return directory_ / name; }
  void send(const std::string& name, TestStore& to) override {
    std::filesystem::copy(checkpoint_path(name), to.checkpoint_path(name),
                          std::filesystem::copy_options::recursive);
    std::filesystem::remove_all(checkpoint_path(name));
  }
  const TestDirectory& directory() const { return directory_; }
  // What lies beside the state, and the state itself.
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ / ""))
      found.push_back(entry.path().filename());
    std::ranges::sort(found);
    return found;
  }

 private:
  void open() {
    auto opened = RocksEngine::open({.directory = directory_ / "state"});
    CHECK(opened, "{}", opened.error().message);
    engine_ = std::move(*opened);
  }

  TestDirectory directory_;
  std::unique_ptr<RocksEngine> engine_;
};

enum class StoreKind { kMemory, kRocks };

inline std::unique_ptr<TestStore> make_store(StoreKind kind) {
  if (kind == StoreKind::kMemory) return std::make_unique<MemoryStore>();
  return std::make_unique<RocksStore>();
}

inline std::vector<StoreKind> store_kinds() {
#ifdef __SANITIZE_THREAD__
  return {StoreKind::kMemory};
#else
  return {StoreKind::kMemory, StoreKind::kRocks};
#endif
}

inline std::string store_name(const testing::TestParamInfo<StoreKind>& info) {
  return info.param == StoreKind::kMemory ? "Memory" : "Rocks";
}

// Everything at `at`, or the part that `scan` names.
using Rows = std::vector<std::pair<std::string, Row>>;
inline Rows read_rows(const Engine& engine, const RangeScan& scan) {
  Rows rows;
  const Result<> done =
      engine.scan(scan, [&rows](std::string_view key, const RowInfo& info, std::string_view value) {
        rows.emplace_back(key, Row{info, std::string(value)});
        return true;
      });
  CHECK(done, "{}", done.error().message);
  return rows;
}

// One version of a key; no row: a delete.
struct KeptVersion {
  Revision revision;
  std::optional<Row> row;
  friend bool operator==(const KeptVersion&, const KeptVersion&) = default;
};
inline std::vector<KeptVersion> read_versions(const Engine& engine, std::string_view key,
                                              Revision floor, Revision at,
                                              size_t limit = SIZE_MAX) {
  std::vector<KeptVersion> found;
  const Result<> done = engine.versions(
      key, floor, at, [&](Revision revision, const RowInfo* info, std::string_view value) {
        found.push_back({revision, info != nullptr ? std::optional(Row{*info, std::string(value)})
                                                   : std::nullopt});
        return found.size() < limit;
      });
  CHECK(done, "{}", done.error().message);
  return found;
}

// The whole feed from `first` on, page by page.
inline std::vector<Change> read_changes(const Engine& engine, Revision first) {
  std::vector<Change> found;
  for (;;) {
    const std::vector<Change> page = engine.changes(first, 100).value();
    if (page.empty()) return found;
    found.insert(found.end(), page.begin(), page.end());
    first = page.back().revision + 1;
  }
}

}  // namespace holdfast
