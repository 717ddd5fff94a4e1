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
  // What newest() says, and get() where it is shown to a client: without its hash. One look.
  struct LookedUp {
    std::optional<RowInfo> info;
    std::optional<Row> shown;
  };
  LookedUp look_up(std::string_view key, bool is_shown) const;
  // As Engine::scan, of the newest versions; `scan.at` is not looked at.
  void scan(const RangeScan& scan, const Engine::Visitor& visit) const;
  // The keys in [start, end), sorted, and what is newest of each; an empty `end` means to the last
  // key. Nothing, if they are more than one entry may change.
  struct Found {
    std::string key;
    RowInfo info;
  };
  std::optional<std::vector<Found>> keys(const std::string& start, const std::string& end) const;

  // `old`: what newest() or another of the above says of the key. Who changes it mostly had to look
  // anyway: it is not looked up twice.
  void put(std::string key, const std::optional<RowInfo>& old, std::string value, Bond bond = {});
  void remove(std::string key, const RowInfo& old);

  // Whether one key more with this many bytes of key and value keeps within what one entry may
  // change. Asked by who could pass it; put and remove do not refuse.
  bool has_room(uint64_t bytes) const;

  // How many rows its scans have passed over: under the draft, and its own, those that it has
  // deleted included in both.
  uint64_t passed() const { return passed_; }

  // Nothing was written: there will be no revision.
  bool empty() const { return rows_.empty(); }
  size_t size() const { return rows_.size(); }
  Revision revision() const { return revision_; }
  // What the revision adds to the state's hash, modulo 2^64.
  uint64_t hash_change() const { return hash_change_; }
  // Calls `visit(key, before, after)` for each key that is bound otherwise than before this
  // revision.
  template <class Visit>
  void each_rebound(const Visit& visit) const {
    for (const auto& [key, own] : rows_) {
      const Bond after = own.row ? own.row->info.bond : Bond{};
      if (own.bond_before != after) visit(key, own.bond_before, after);
    }
  }
  // What was written. A key that was made and removed again is in it, as deleted: somebody may have
  // been told of this revision of it. Ends the draft's life.
  RevisionWrite take(Stamp made);

 private:
  struct Written {
    std::optional<Row> row;  // no row: deleted
    Bond bond_before;        // this revision
  };

  void write(std::string key, const std::optional<RowInfo>& old, std::optional<Row> row);

  const Overlay& below_;
  const Revision revision_;
  std::map<std::string, Written, std::less<>> rows_;
  uint64_t bytes_ = 0;  // of keys and values in `rows_`
  uint64_t hash_change_ = 0;
  mutable uint64_t passed_ = 0;
};

}  // namespace holdfast
