#include "storage/kv/state_check.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "storage/kv/named_overlay.h"
#include "storage/kv/own_names.h"
#include "storage/kv/rocks_check.h"
#include "storage/kv/rocks_engine.h"
#include "storage/kv/state_directory.h"
#include "storage/kv/state_format.h"

namespace holdfast {
namespace {

constexpr size_t kChangesAtOnce = 1000;
constexpr size_t kWrongRowsNamed = 20;
constexpr uint64_t kStride = 1 << 20;  // bytes of rows between two pauses

using Pace = std::function<bool(uint64_t bytes)>;

std::string shown(std::string_view key) {
  std::string text;
  for (const char c : key.substr(0, 64)) {
    if (c > ' ' && c < 0x7f) {
      text.push_back(c);
    } else {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return text;
}

// The hash of the state, from what is read. Nothing: ended.
Result<std::optional<uint64_t>> sum_rows(const Engine& engine, StateCheck& check,
                                         const Pace& pace) {
  uint64_t sum = 0;
  size_t wrong = 0;
  uint64_t since_pause = 0;
  bool goes_on = true;
  HOLDFAST_TRY(engine.scan({.at = check.head.revision},
                           [&](std::string_view key, const RowInfo& info, std::string_view value) {
                             ++check.keys;
                             const uint64_t hash = row_hash(key, info, value);
                             sum += hash;
                             if (hash != info.hash && wrong++ < kWrongRowsNamed)
                               check.wrong.push_back(
                                   fmt::format("the key '{}' does not hold what was written in "
                                               "revision {}: its hash does not match",
                                               shown(key), info.mod_revision.value));
                             since_pause += key.size() + value.size();
                             if (since_pause >= kStride)
                               goes_on = pace(std::exchange(since_pause, 0));
                             return goes_on;
                           }));
  if (!goes_on || !pace(since_pause)) return std::nullopt;
  return sum;
}

// What each named value that the replicas agree on adds.
Result<uint64_t> sum_named_values(const Engine& engine) {
  uint64_t sum = 0;
  HOLDFAST_ASSIGN(const Engine::NamedValueList values, engine.scan_meta("", "", SIZE_MAX));
  for (const auto& [name, value] : values) {
    const bool is_own = std::ranges::find(kOwnNames, name) != kOwnNames.end();
    if (!is_own) sum += named_hash(name, value);
  }
  return sum;
}

Result<> read_feed(const Engine& engine, StateCheck& check) {
  Revision last{};
  while (true) {
    std::vector<Change> changes;
    HOLDFAST_ASSIGN(changes, engine.changes(last + 1, kChangesAtOnce));
    if (changes.empty()) break;
    check.revisions += changes.size();
    last = changes.back().revision;
  }
  if (last > check.head.revision)
    return fail(ErrorCode::kCorrupt,
                fmt::format("the feed goes to revision {}, the state only to {}", last.value,
                            check.head.revision.value));
  return {};
}

Result<> check_contents(const Engine& engine, StateCheck& check, const Pace& pace) {
  HOLDFAST_ASSIGN(const std::optional<uint64_t> rows, sum_rows(engine, check, pace));
  if (!rows) return {};
  HOLDFAST_ASSIGN(const uint64_t named, sum_named_values(engine));
  const uint64_t sum = *rows + named;
  if (sum != check.head.state_hash)
    check.wrong.push_back(
        fmt::format("the state's hash is {:016x} by what it holds, and {:016x} "
                    "by what it says of itself at entry {}",
                    sum, check.head.state_hash, check.head.applied.index.value));
  return {};
}

Result<> check_opened(const std::string& directory, StateCheck& check) {
  HOLDFAST_ASSIGN(const std::unique_ptr<RocksEngine> engine, RocksEngine::open_to_read(directory));
  HOLDFAST_ASSIGN(const std::unique_ptr<KvStateMachine> machine, KvStateMachine::open(*engine));
  check.head = machine->summary();
  HOLDFAST_TRY(check_contents(*engine, check, [](uint64_t /*bytes*/) { return true; }));
  return read_feed(*engine, check);
}

Result<> check_files(const std::string& directory, StateCheck& check) {
  HOLDFAST_ASSIGN(const StateDirectory states, StateDirectory::open(directory));
  HOLDFAST_ASSIGN(const TableFiles found, check_table_files(states.active()));
  check.files = found.files;
  check.bytes = found.bytes;
  check.wrong.insert(check.wrong.end(), found.wrong.begin(), found.wrong.end());
  return {};
}

}  // namespace

StateCheck check_state(const std::string& directory) {
  StateCheck check;
  for (const auto part : {check_files, check_opened}) {
    if (const Result<> read = part(directory, check); !read)
      check.wrong.push_back(read.error().message);
  }
  return check;
}

Result<> check_sums(const std::string& directory, const Pace& pace) {
  StateCheck check;
  HOLDFAST_ASSIGN(const std::unique_ptr<RocksEngine> engine, RocksEngine::open_to_read(directory));
  HOLDFAST_ASSIGN(const std::unique_ptr<KvStateMachine> machine, KvStateMachine::open(*engine));
  check.head = machine->summary();
  HOLDFAST_TRY(check_contents(*engine, check, pace));
  if (!check.wrong.empty())
    return fail(ErrorCode::kCorrupt, fmt::format("{}", fmt::join(check.wrong, "; ")));
  return {};
}

}  // namespace holdfast
