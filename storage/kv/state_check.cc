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

// What a look at the rows finds.
struct RowSums {
  uint64_t keys = 0;
  uint64_t sum = 0;
  bool is_whole = false;
  std::vector<std::string> wrong;
};

Result<RowSums> sum_rows(const Engine& engine, Revision at, const Pace& pace) {
  RowSums rows;
  uint64_t since_pause = 0;
  bool goes_on = true;
  HOLDFAST_TRY(engine.scan(
      {.at = at}, [&](std::string_view key, const RowInfo& info, std::string_view value) {
        ++rows.keys;
        const uint64_t hash = row_hash(key, info, value);
        rows.sum += hash;
        if (hash != info.hash && rows.wrong.size() < kWrongRowsNamed)
          rows.wrong.push_back(fmt::format(
              "the key '{}' does not hold what was written in revision {}: its hash does not match",
              shown(key), info.mod_revision.value));
        since_pause += key.size() + value.size();
        if (since_pause >= kStride) goes_on = pace(std::exchange(since_pause, 0));
        return goes_on;
      }));
  rows.is_whole = goes_on && pace(since_pause);
  return rows;
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

// Nothing: what the state holds is what it says of itself.
Result<std::optional<std::string>> difference(const Engine& engine, const StateSummary& head,
                                              uint64_t rows) {
  HOLDFAST_ASSIGN(const uint64_t named, sum_named_values(engine));
  const uint64_t sum = rows + named;
  if (sum == head.state_hash) return std::nullopt;
  return fmt::format(
      "the state's hash is {:016x} by what it holds, and {:016x} by what it says of itself at "
      "entry {}",
      sum, head.state_hash, head.applied.index.value);
}

Result<> check_opened(const std::string& directory, StateCheck& check) {
  HOLDFAST_ASSIGN(const std::unique_ptr<RocksEngine> engine, RocksEngine::open_to_read(directory));
  HOLDFAST_ASSIGN(const std::unique_ptr<KvStateMachine> machine, KvStateMachine::open(*engine));
  check.head = machine->summary();
  const Pace no_pause = [](uint64_t /*bytes*/) { return true; };
  HOLDFAST_ASSIGN(const RowSums rows, sum_rows(*engine, check.head.revision, no_pause));
  check.keys = rows.keys;
  check.wrong.insert(check.wrong.end(), rows.wrong.begin(), rows.wrong.end());
  HOLDFAST_ASSIGN(const std::optional<std::string> differs,
                  difference(*engine, check.head, rows.sum));
  if (differs) check.wrong.push_back(*differs);
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

Result<SumsCheck> check_sums(const std::string& directory, const Pace& pace) {
  HOLDFAST_ASSIGN(const std::unique_ptr<RocksEngine> engine, RocksEngine::open_to_read(directory));
  HOLDFAST_ASSIGN(const std::unique_ptr<KvStateMachine> machine, KvStateMachine::open(*engine));
  const StateSummary head = machine->summary();
  HOLDFAST_ASSIGN(RowSums rows, sum_rows(*engine, head.revision, pace));
  SumsCheck check{.is_whole = rows.is_whole, .wrong = std::move(rows.wrong), .differs = {}};
  if (check.is_whole) {
    HOLDFAST_ASSIGN(check.differs, difference(*engine, head, rows.sum));
  }
  return check;
}

}  // namespace holdfast
