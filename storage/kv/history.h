#pragma once

// How much of the past is kept: the replicated setting, and the floor that it moves. A read below
// the floor is refused on every replica; what only such reads would need is forgotten.
//
//   setting/keep_history   u64: milliseconds
//   floor                  revision: u64, cluster_ms: u64 when it was last looked at by age
//
// A part of the state machine: apply thread only, but for what says otherwise.

#include <atomic>
#include <functional>
#include <optional>

#include "storage/kv/command.h"
#include "storage/kv/engine.h"
#include "storage/kv/named_overlay.h"
#include "storage/kv/settings.h"
#include "storage/log/log_entry.h"

namespace holdfast {

// When the state at a revision was made: see Engine::made. Neither time falls from one to the next.
using Made = std::function<Result<Stamp>(Revision)>;
// For readers: the newest revision up to `newest` whose state was made at or before `wall_ms`.
// Nothing: it was before `floor` was made, and is not kept.
Result<std::optional<Revision>> revision_at(const Engine& engine, uint64_t wall_ms, Revision floor,
                                            Revision newest);

class History {
 public:
  static constexpr std::string_view kFloor = "floor";
  // By age the floor rises no more often.
  static constexpr uint64_t kRiseEveryMs = 10'000;

  explicit History(Engine& engine) : engine_(engine) {}

  // The floor in the named values of a state.
  static Result<Revision> floor_in(const NamedValues& values);
  // Refuses readers what such a state will not have, before it takes the place of this one.
  void expect(Revision floor);
  // What the engine holds is read, at the start and when it holds another state.
  Result<> read_back(Revision newest);

  void change(NamedOverlay& named, const SettingsCommand& change);
  // Up to `floor`, which exists; never down.
  void raise(NamedOverlay& named, Revision floor);
  // To what `keep_history` allows at `now_ms` on the cluster's clock, which measures all ages here.
  // `newest` and `made`: of the batch at hand, too. Asks `made` for revisions above the floor only.
  Result<> raise_by_age(NamedOverlay& named, uint64_t now_ms, Revision newest, const Made& made);

  // After a batch was published: what was refused to readers before may go as soon as no crash
  // brings back a state of a lower floor.
  Result<> settle(Revision newest);

  Settings settings() const { return {keep_ms_.load(std::memory_order_acquire)}; }  // any thread
  Revision floor() const { return {floor_.load(std::memory_order_acquire)}; }       // any thread
  // Whether raise_by_age would raise it. Any thread.
  bool is_due(uint64_t now_ms) const;
  // The batch is whole: any thread sees what it changed.
  void publish();

 private:
  struct Floor {
    Revision revision{1};
    uint64_t looked_ms = 0;
  };
  static Result<Floor> decode_floor(std::string_view bytes);
  Result<> look_behind_floor(Revision newest);
  void write_floor(NamedOverlay& named, Revision floor, uint64_t looked_ms);

  Engine& engine_;
  Settings newest_settings_;
  Floor newest_floor_;
  Revision told_;  // the engine
  uint64_t flushes_known_ = UINT64_MAX;

  std::atomic<uint64_t> keep_ms_ = Settings{}.keep_history_ms;
  std::atomic<uint64_t> floor_ = 1;
  std::atomic<uint64_t> looked_ms_ = 0;
  // When the revision behind the floor was made; UINT64_MAX: there is none.
  std::atomic<uint64_t> oldest_ms_ = UINT64_MAX;
};

}  // namespace holdfast
