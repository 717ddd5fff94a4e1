#pragma once

// The changes of one batch of entries, laid over the engine until they are written as one: later
// entries of the batch see what earlier ones did. Apply thread only. An engine that cannot be read
// stops the process: an entry must have the same effect on every replica.

#include <map>
#include <string_view>

#include "storage/kv/engine.h"
#include "storage/kv/recent_rows.h"

namespace holdfast {

class Overlay {
 public:
  // `base`: the newest revision in the engine. `recent` is told of every write.
  Overlay(const Engine& engine, Revision base, RecentRows& recent)
      : engine_(engine), base_(base), recent_(recent) {}

  // The newest version of `key`; nothing if it does not exist.
  std::optional<RowInfo> newest(std::string_view key) const;

  struct Found {
    std::string key;
    RowInfo info;
  };
  // What exists in [start, end), sorted; an empty `end` means to the last key. Nothing, if it is
  // more than one entry may change.
  std::optional<std::vector<Found>> range(const std::string& start, const std::string& end) const;

  void write(RevisionWrite write);

  // Everything written, to be given to the engine. Ends the overlay's life.
  std::vector<RevisionWrite> take() { return std::move(written_); }

 private:
  const Engine& engine_;
  const Revision base_;
  RecentRows& recent_;
  std::vector<RevisionWrite> written_;
  // Views into `written_`, whose inner vectors never move. No info: deleted.
  std::map<std::string_view, std::optional<RowInfo>> newest_;
};

}  // namespace holdfast
