#pragma once

// The two engines behind one face for tests that must hold on both: a store can be asked for its
// engine, and be crashed. RocksDB is left out under ThreadSanitizer: as packaged it is not
// instrumented.

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

// A directory of its own beside the test program, on a real file system, removed at the end.
class TestDirectory {
 public:
  TestDirectory() {
    const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe");
    path_ = (program.parent_path() / "kv_test_XXXXXX").string();
    CHECK(mkdtemp(path_.data()) != nullptr);
  }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  ~TestDirectory() { std::filesystem::remove_all(path_); }

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

class TestStore {
 public:
  virtual ~TestStore() = default;
  virtual Engine& engine() = 0;
  // What was not flushed may be lost. Pointers to the engine are void.
  virtual void crash(Random& random) = 0;
};

class MemoryStore final : public TestStore {
 public:
  Engine& engine() override { return engine_; }
  void crash(Random& random) override { engine_.crash(random); }

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
  const TestDirectory& directory() const { return directory_; }

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

}  // namespace holdfast
