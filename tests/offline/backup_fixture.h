#pragma once

// A state in RocksDB with a few hundred changes, and a backup file of it.

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "storage/backup/writer.h"
#include "storage/base/check.h"
#include "storage/fs/posix.h"
#include "storage/kv/kv_state_machine.h"
#include "storage/kv/rocks_engine.h"

namespace holdfast::offline {

class BackupTest : public testing::Test {
 protected:
  static constexpr uint64_t kChanges = 300;

  BackupTest() {
    CHECK(mkdtemp(path_.data()) != nullptr);
    make_backup();
  }
  ~BackupTest() override { std::filesystem::remove_all(path_); }

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  std::string backup() const { return *this / "a.backup"; }
  std::string data_dir() const { return *this / "restored"; }

  static std::string key(uint64_t number) { return fmt::format("key/{:03}", number % 100); }
  static std::string value(uint64_t number) { return fmt::format("value {}", number); }

  static EntryPtr entry_of(uint64_t index, Command command) {
    return std::make_shared<const LogEntry>(LogEntry{
        {index},
        {3},
        EntryKind::kCommand,
        {{9}, {index}},
        encode_command(std::move(command)),
        Stamp{.cluster_ms = 500 + index * 1000, .wall_ms = 1'700'000'000'000 + index * 1001}});
  }
  static EntryPtr put(uint64_t index) {
    Command command;
    command.act = PutCommand{key(index), value(index), {}};
    return entry_of(index, std::move(command));
  }

  PosixFileSystem fs;
  backup::Head head;  // of the backup
  uint64_t state_hash = 0;

  // The file, from what lies in "copy" now.
  void write_backup() {
    std::vector<backup::FileHead> files;
    head.bytes = 0;
    const std::vector<std::string> names = fs.list(*this / "copy").value();
    for (const std::string& name : names) {
      files.push_back({name, std::filesystem::file_size(*this / ("copy/" + name))});
      head.bytes += files.back().size;
    }
    head.files = files.size();
    backup::Writer writer;
    std::string out;
    writer.begin(head, out);
    for (const backup::FileHead& file : files) {
      writer.file(file, out);
      const std::string bytes =
          fs.open(*this / ("copy/" + file.name)).value()->read_at(0, file.size).value();
      for (size_t at = 0; at < bytes.size(); at += backup::kPieceBytesMax)
        writer.piece(std::string_view(bytes).substr(at, backup::kPieceBytesMax), out);
    }
    writer.end(out);
    std::ofstream(backup(), std::ios::binary) << out;
  }
  static void overwrite(const std::string& file, uint64_t at, const std::string& bytes) {
    std::fstream stream(file, std::ios::binary | std::ios::in | std::ios::out);
    stream.seekp(static_cast<std::streamoff>(at));
    stream << bytes;
  }

 private:
  void make_backup() {
    std::unique_ptr<RocksEngine> engine =
        std::move(RocksEngine::open({.directory = *this / "state"}).value());
    std::unique_ptr<KvStateMachine> machine = std::move(KvStateMachine::open(*engine).value());
    std::vector<EntryPtr> entries;
    for (uint64_t index = 1; index <= kChanges; ++index) entries.push_back(put(index));
    Command announce;
    announce.act = AnnounceCommand{{9}, "http://old:1"};
    entries.push_back(entry_of(kChanges + 1, std::move(announce)));
    std::vector<Completion> completions;
    machine->apply(entries, {}, completions);
    state_hash = machine->state_hash();
    CHECK(machine->checkpoint(*this / "copy").has_value());
    head = {.cluster = {0xc1},
            .group = kFirstGroup,
            .revision = machine->revision(),
            .applied = machine->applied().index,
            .term = machine->applied().term,
            .taken_ms = 1'000'000};
    write_backup();
  }

  std::string path_ =
      (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "offline_XXXXXX").string();
};

}  // namespace holdfast::offline
