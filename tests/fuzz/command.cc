// Commands as the log brings them, and what else the state holds as bytes. The first byte says what
// the input is: one value to decode, or the entries of a log.
//
//   - what can be decoded comes back the same when it is encoded and decoded again;
//   - entries whose commands can be decoded are applied without a CHECK that fails, and give the
//     answers and the state of the model of tests/kv, whatever the batches they come in.

#include <gtest/gtest.h>

#include "replication/raft/membership.h"
#include "storage/base/check.h"
#include "storage/kv/agreement.h"
#include "storage/kv/command_text.h"
#include "storage/kv/memory_engine.h"
#include "storage/kv/stored_bytes.h"
#include "tests/fuzz/input.h"
#include "tests/kv/expect_same.h"

namespace holdfast {
namespace {

constexpr NodeId kSelf{1};

std::string_view view(const Bytes& bytes) {
  return bytes.view();
}
std::string_view view(const std::string& bytes) {
  return bytes;
}

// Of whatever can be decoded: that its encoding says the same, and is the only one.
template <class Decode, class Encode>
void expect_stable(std::string_view bytes, const Decode& decode, const Encode& encode) {
  const auto first = decode(bytes);
  if (!first) return;
  const auto encoded = encode(*first);
  const auto second = decode(view(encoded));
  CHECK(second && *second == *first, "what was decoded is encoded as something else");
  CHECK(view(encode(*second)) == view(encoded), "one value has two encodings");
}

std::string encode_info(const RowInfo& info) {
  std::string out;
  encode_row({.info = info, .value = {}}, out);
  return out;
}

std::string encode_keys(const Change& change) {
  RevisionWrite write{.revision = change.revision, .made = change.made, .rows = {}};
  for (const std::string& key : change.keys) write.rows.push_back({key, std::nullopt});
  std::string out;
  encode_change(write, out);
  return out;
}

void decode_one(uint8_t kind, std::string_view bytes) {
  const std::array<char, 8> feed = feed_key({7});
  switch (kind % 8) {
    case 0:
      (void)text_of_command(bytes);
      return expect_stable(bytes, decode_command, encode_command);
    case 1:
      return expect_stable(bytes, decode_reply, encode_reply);
    case 2:
      return expect_stable(bytes, decode_check, encode_check);
    case 3:
      return expect_stable(bytes, raft::decode_members, raft::encode_members);
    case 4:
      return expect_stable(bytes, raft::decode_change, raft::encode_change);
    case 5:
      return expect_stable(
          bytes, [](std::string_view in) { return decode_info("key", in); }, encode_info);
    case 6:
      return expect_stable(
          bytes, [&](std::string_view in) { return decode_change({feed.data(), feed.size()}, in); },
          encode_keys);
    default:
      (void)decode_made(bytes);
  }
}

// Time as leaders stamp it, and leaps: the calendar apart, since it may be set.
Stamp next_stamp(FuzzInput& input, Stamp stamp) {
  const auto step = [&input] {
    const auto by = input.take<uint8_t>();
    return by < 128 ? by : uint64_t{by} * 5'000;
  };
  return {stamp.cluster_ms + step(), stamp.wall_ms + step()};
}

std::vector<EntryPtr> read_log(FuzzInput& input) {
  std::vector<EntryPtr> log;
  Stamp stamp{1'000, 1'000'000};
  while (!input.empty()) {
    stamp = next_stamp(input, stamp);
    const std::string payload(input.take_counted());
    if (!decode_command(payload)) continue;
    const LogIndex index{log.size() + 1};
    log.push_back(
        make_entry(index, EntryKind::kCommand, Bytes(payload), {kSelf, {index.value}}, stamp));
  }
  return log;
}

void apply_log(const std::vector<EntryPtr>& log, size_t batch) {
  MemoryEngine engine;
  auto machine = KvStateMachine::open(engine);
  CHECK(machine.has_value());
  KvModel model;
  for (size_t first = 0; first < log.size(); first += batch) {
    const auto entries = std::span(log).subspan(first, std::min(batch, log.size() - first));
    std::vector<Completion> completions;
    (*machine)->apply(entries, kSelf, completions);
    CHECK(completions.size() == entries.size());
    for (size_t i = 0; i < entries.size(); ++i)
      CHECK(completions[i].reply == model.apply(*entries[i]), "entry {} is answered otherwise",
            entries[i]->index.value);
    (void)(*machine)->upkeep(entries.back()->stamp.cluster_ms + 100);
  }
  expect_same(model, **machine, engine);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  GTEST_FLAG_SET(break_on_failure, true);  // of what expect_same.h expects
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FuzzInput input(data, size);
  const auto kind = input.take<uint8_t>();
  if (kind < 128) {
    decode_one(kind, input.take_rest());
  } else {
    apply_log(read_log(input), 1 + kind % 8);
  }
  return 0;
}

}  // namespace holdfast
