#include "storage/kv/draft.h"

#include <utility>

#include "storage/kv/command.h"
#include "storage/kv/layered_scan.h"

namespace holdfast {

std::optional<RowInfo> Draft::newest(std::string_view key) const {
  const auto own = rows_.find(key);
  if (own == rows_.end()) return below_.newest(key);
  const std::optional<Row>& row = own->second.row;
  return row ? std::optional(row->info) : std::nullopt;
}

std::optional<Row> Draft::get(std::string_view key) const {
  const auto own = rows_.find(key);
  return own == rows_.end() ? below_.get(key) : own->second.row;
}

Draft::LookedUp Draft::look_up(std::string_view key, bool is_shown) const {
  if (!is_shown) return {newest(key), std::nullopt};
  LookedUp found{std::nullopt, get(key)};
  if (!found.shown) return found;
  found.info = found.shown->info;
  found.shown->info.hash = 0;
  return found;
}

void Draft::scan(const RangeScan& scan, const Engine::Visitor& visit) const {
  const auto row_of = [this](const Written& own) -> const std::optional<Row>& {
    ++passed_;
    return own.row;
  };
  const auto scan_below = [&](const Engine::Visitor& visit_below) {
    below_.scan(scan, [&](std::string_view key, const RowInfo& info, std::string_view value) {
      ++passed_;
      return visit_below(key, info, value);
    });
  };
  scan_layers(rows_, scan, row_of, scan_below, visit);
}

std::optional<std::vector<Draft::Found>> Draft::keys(const std::string& start,
                                                     const std::string& end) const {
  std::vector<Found> found;
  uint64_t bytes = 0;
  bool fits = true;
  scan({.start = start, .end = end, .at = {}},
       [&](std::string_view key, const RowInfo& info, std::string_view) {
         bytes += key.size();
         found.push_back({std::string(key), info});
         fits = found.size() <= kRangeKeysMax && bytes <= kRangeBytesMax;
         return fits;
       });
  if (!fits) return std::nullopt;
  return found;
}

void Draft::put(std::string key, const std::optional<RowInfo>& old, std::string value, Bond bond) {
  RowInfo info{.create_revision = old ? old->create_revision : revision_,
               .mod_revision = revision_,
               .version = old ? old->version + 1 : 1,
               .bond = bond};
  info.hash = row_hash(key, info, value);
  hash_change_ += info.hash - (old ? old->hash : 0);
  write(std::move(key), old, Row{info, std::move(value)});
}

void Draft::remove(std::string key, const RowInfo& old) {
  hash_change_ -= old.hash;
  write(std::move(key), old, std::nullopt);
}

void Draft::write(std::string key, const std::optional<RowInfo>& old, std::optional<Row> row) {
  const uint64_t key_bytes = key.size();
  const auto [own, is_new] = rows_.try_emplace(std::move(key));
  Written& written = own->second;
  if (is_new) {
    bytes_ += key_bytes;
    if (old) written.bond_before = old->bond;
  }
  if (written.row) bytes_ -= written.row->value.size();
  if (row) bytes_ += row->value.size();
  written.row = std::move(row);
}

bool Draft::has_room(uint64_t bytes) const {
  return rows_.size() < kRangeKeysMax && bytes_ + bytes <= kRangeBytesMax;
}

RevisionWrite Draft::take(Stamp made) {
  RevisionWrite write{.revision = revision_, .made = made, .rows = {}};
  write.rows.reserve(rows_.size());
  while (!rows_.empty()) {
    auto row = rows_.extract(rows_.begin());
    write.rows.emplace_back(std::move(row.key()), std::move(row.mapped().row));
  }
  return write;
}

}  // namespace holdfast
