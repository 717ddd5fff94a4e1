#include "storage/kv/stored_bytes.h"

#include <bit>

#include <fmt/core.h>

#include "storage/base/codec.h"

// The bytes on disk; all numbers little-endian but where said.
//
//   default family  name → value                              (the named values of Engine)
//   kv              key, revision: u64 (timestamp) → row
//   changes         revision: u64 big-endian → change
//
//   row    = create_revision: u64, mod_revision: u64, version: u64, hash: u64, bond: u64, value
//   change = cluster_ms: u64, wall_ms: u64, { length: u32, key }

namespace holdfast {
namespace {

std::unexpected<Error> damaged_feed() {
  return fail(ErrorCode::kCorrupt,
              "an element of the feed of changes cannot be read: the state's files are damaged, "
              "restore this node from its peers");
}

Result<Stamp> take_made(FixedReader& change) {
  const std::optional<uint64_t> cluster_ms = change.take<uint64_t>();
  const std::optional<uint64_t> wall_ms = change.take<uint64_t>();
  if (!cluster_ms || !wall_ms) return damaged_feed();
  return Stamp{*cluster_ms, *wall_ms};
}

}  // namespace

std::string encode_number(uint64_t number) {
  std::string out;
  put_fixed(out, number);
  return out;
}

std::array<char, 8> feed_key(Revision revision) {
  return std::bit_cast<std::array<char, 8>>(__builtin_bswap64(revision.value));
}

void encode_row(const Row& row, std::string& out) {
  out.clear();
  out.reserve(kRowHeaderBytes + row.value.size());
  put_fixed(out, row.info.create_revision.value);
  put_fixed(out, row.info.mod_revision.value);
  put_fixed(out, row.info.version);
  put_fixed(out, row.info.hash);
  put_fixed(out, row.info.bond.bits());
  out.append(row.value);
}

Result<RowInfo> decode_info(std::string_view key, std::string_view bytes) {
  if (bytes.size() < kRowHeaderBytes) {
    return fail(ErrorCode::kCorrupt,
                fmt::format("a row of {} bytes under a key of {} bytes is too short: the state's "
                            "files are damaged, restore this node from its peers",
                            bytes.size(), key.size()));
  }
  return RowInfo{.create_revision = {load_fixed<uint64_t>(bytes.data())},
                 .mod_revision = {load_fixed<uint64_t>(bytes.data() + 8)},
                 .version = load_fixed<uint64_t>(bytes.data() + 16),
                 .hash = load_fixed<uint64_t>(bytes.data() + 24),
                 .bond = Bond::of_bits(load_fixed<uint64_t>(bytes.data() + 32))};
}

void encode_change(const RevisionWrite& write, std::string& out) {
  out.clear();
  put_fixed(out, write.made.cluster_ms);
  put_fixed(out, write.made.wall_ms);
  for (const RowWrite& row : write.rows) {
    put_fixed(out, static_cast<uint32_t>(row.key.size()));
    out.append(row.key);
  }
}

Result<Change> decode_change(std::string_view key, std::string_view bytes) {
  if (key.size() != 8) return damaged_feed();
  FixedReader reader(bytes);
  HOLDFAST_ASSIGN(const Stamp made, take_made(reader));
  Change change{{__builtin_bswap64(load_fixed<uint64_t>(key.data()))}, made, {}};
  while (!reader.rest().empty()) {
    const std::optional<uint32_t> length = reader.take<uint32_t>();
    if (!length) return damaged_feed();
    const std::optional<std::string_view> changed = reader.take_bytes(*length);
    if (!changed) return damaged_feed();
    change.keys.emplace_back(*changed);
  }
  return change;
}

Result<Stamp> decode_made(std::string_view change) {
  FixedReader reader(change);
  return take_made(reader);
}

}  // namespace holdfast
