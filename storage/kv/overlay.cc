#include "storage/kv/overlay.h"

#include <algorithm>
#include <utility>

#include "storage/kv/layered_scan.h"
#include "storage/kv/must.h"

namespace holdfast {
namespace {

std::optional<RowInfo> info_of(const std::optional<Row>& row) {
  return row ? std::optional(row->info) : std::nullopt;
}

}  // namespace

std::optional<RowInfo> Overlay::newest(std::string_view key) const {
  if (const auto found = newest_.find(key); found != newest_.end()) return info_of(*found->second);
  if (const auto known = recent_.find(key)) return *known;
  return must(engine_.get_info(key, base_));
}

std::optional<Row> Overlay::get(std::string_view key) const {
  if (const auto found = newest_.find(key); found != newest_.end()) return *found->second;
  return must(engine_.get(key, base_, ReadTier::kDisk));
}

void Overlay::scan(RangeScan scan, const Engine::Visitor& visit) const {
  scan.at = base_;
  const auto row_of = [](const std::optional<Row>* row) -> const std::optional<Row>& {
    return *row;
  };
  const auto scan_engine = [&](const Engine::Visitor& visit_stored) {
    must(engine_.scan(scan, visit_stored));
  };
  scan_layers(newest_, scan, row_of, scan_engine, visit);
}

Result<Stamp> Overlay::made(Revision revision) const {
  const auto above = std::ranges::upper_bound(written_, revision, {}, &RevisionWrite::revision);
  if (above != written_.begin()) return std::prev(above)->made;
  return engine_.made(revision);
}

void Overlay::write(RevisionWrite write) {
  const RevisionWrite& kept = written_.emplace_back(std::move(write));
  for (const RowWrite& row : kept.rows) {
    newest_[row.key] = &row.row;
    recent_.remember(row.key, info_of(row.row));
  }
}

void Overlay::take(EngineBatch& batch) {
  batch.revisions = std::move(written_);
  named_.take(batch);
}

}  // namespace holdfast
