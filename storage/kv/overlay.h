#pragma once

// The changes of one batch of entries, laid over the engine until they are written as one: later
// entries of the batch see what earlier ones did. Apply thread only. An engine that cannot be read
// stops the process: an entry must have the same effect on every replica.

#include <map>
#include <string_view>

#include "storage/kv/engine.h"
#include "storage/kv/named_overlay.h"
#include "storage/kv/recent_rows.h"

namespace holdfast {

class Overlay {
 public:
  // `base`: the newest revision in the engine. `recent` is told of every write.
  Overlay(const Engine& engine, Revision base, RecentRows& recent)
      : engine_(engine), base_(base), recent_(recent), named_(engine) {}

  // The newest version of `key`; nothing if it does not exist.
  std::optional<RowInfo> newest(std::string_view key) const;
  // As newest, with the value.
  std::optional<Row> get(std::string_view key) const;
  // As Engine::scan, of the newest versions; `scan.at` is not looked at.
  void scan(RangeScan scan, const Engine::Visitor& visit) const;

  // As Engine::made.
  Result<Stamp> made(Revision revision) const;

  void write(RevisionWrite write);

  NamedOverlay& named() { return named_; }
  const NamedOverlay& named() const { return named_; }

  // Everything written, to be given to the engine. Ends the overlay's life.
  void take(EngineBatch& batch);

 private:
  const Engine& engine_;
  const Revision base_;
  RecentRows& recent_;
  NamedOverlay named_;
  std::vector<RevisionWrite> written_;
  // Views into `written_`, whose inner vectors never move. No row: deleted.
  std::map<std::string_view, const std::optional<Row>*> newest_;
};

}  // namespace holdfast
