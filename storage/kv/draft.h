#pragma once

// One revision in the making, over what was applied before it: reads see what the draft has
// written, and nothing is changed until it is taken. Every change to keys goes through one, so that
// versions and the state's hash are counted in one place. Apply thread only.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "storage/kv/overlay.h"

namespace holdfast {

class Draft {
 public:
  // `revision`: what the draft becomes. The overlay must outlive it.
  Draft(const Overlay& below, Revision revision) : below_(below), revision_(revision) {}

  // The newest version of `key`, this revision's included; nothing if it does not exist.
  std::optional<RowInfo> newest(std::string_view key) const;
  // As newest, with the value.
  std::optional<Row> get(std::string_view key) const;
  // As Engine::scan, of the newest versions; `scan.at` is not looked at.
  void scan(const RangeScan& scan, const Engine::Visitor& visit) const;
  // The keys in [start, end), sorted; an empty `end` means to the last key. Nothing, if they are
  // more than one entry may change.
  std::optional<std::vector<std::string>> keys(const std::string& start,
                                               const std::string& end) const;

  // True if the key was not there.
  bool put(std::string key, std::string value);
  // True if the key was there.
  bool remove(std::string key);

  // Whether one key more with this many bytes of key and value keeps within what one entry may
  // change. Asked by who could pass it; put and remove do not refuse.
  bool has_room(uint64_t bytes) const;

  // Nothing was written: there will be no revision.
  bool empty() const { return rows_.empty(); }
  Revision revision() const { return revision_; }
  // What the revision adds to the state's hash, modulo 2^64.
  uint64_t hash_change() const { return hash_change_; }
  // What was written. A key that was made and removed again is in it, as deleted: somebody may have
  // been told of this revision of it. Ends the draft's life.
  RevisionWrite take(uint64_t wall_ms);

 private:
  void write(std::string key, std::optional<Row> row);

  const Overlay& below_;
  const Revision revision_;
  std::map<std::string, std::optional<Row>, std::less<>> rows_;  // no row: deleted
  uint64_t bytes_ = 0;                                           // of keys and values in `rows_`
  uint64_t hash_change_ = 0;
};

}  // namespace holdfast
