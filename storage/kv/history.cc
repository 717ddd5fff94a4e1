#include "storage/kv/history.h"

#include <algorithm>

#include "storage/base/codec.h"
#include "storage/kv/stored_bytes.h"

namespace holdfast {
namespace {

constexpr std::string_view kKeepHistory = "setting/keep_history";

std::string encode_floor(Revision floor, uint64_t looked_ms) {
  std::string out;
  put_fixed(out, floor.value);
  put_fixed(out, looked_ms);
  return out;
}

std::unexpected<Error> damaged(std::string_view what) {
  return fail(
      ErrorCode::kCorrupt,
      fmt::format("the state's '{}' cannot be read: restore this node from its peers", what));
}

// A name that never had a value adds nothing to the hash.
void put(NamedOverlay& named, std::string_view name, std::string value) {
  const std::optional<std::string> old = named.get(name);
  if (old) {
    named.replace(std::string(name), *old, std::move(value));
  } else {
    named.add(std::string(name), std::move(value));
  }
}

// The newest revision up to `newest` whose state was made at or before `ms` by `clock`; `floor`
// where the next one is later.
Result<Revision> newest_made_by(uint64_t Stamp::* clock, uint64_t ms, Revision floor,
                                Revision newest, const Made& made) {
  while (floor < newest) {
    const Revision middle{newest.value - (newest.value - floor.value) / 2};
    HOLDFAST_ASSIGN(const Stamp stamp, made(middle));
    if (stamp.*clock <= ms) {
      floor = middle;
    } else {
      newest = {middle.value - 1};
    }
  }
  return floor;
}

}  // namespace

Result<std::optional<Revision>> revision_at(const Engine& engine, uint64_t wall_ms, Revision floor,
                                            Revision newest) {
  const Made made = [&engine](Revision revision) { return engine.made(revision); };
  HOLDFAST_ASSIGN(const Revision found,
                  newest_made_by(&Stamp::wall_ms, wall_ms, floor, newest, made));
  if (found > floor) return found;
  HOLDFAST_ASSIGN(const Stamp floor_made, made(floor));
  return floor_made.wall_ms <= wall_ms ? std::optional(found) : std::nullopt;
}

Result<History::Floor> History::decode_floor(std::string_view bytes) {
  if (bytes.size() != 16) return damaged(kFloor);
  return Floor{{load_fixed<uint64_t>(bytes.data())}, load_fixed<uint64_t>(bytes.data() + 8)};
}

Result<Revision> History::floor_in(const NamedValues& values) {
  const auto found = values.find(kFloor);
  if (found == values.end()) return Floor().revision;
  HOLDFAST_ASSIGN(const Floor floor, decode_floor(found->second));
  return floor.revision;
}

void History::expect(Revision floor) {
  if (floor > this->floor()) floor_.store(floor.value, std::memory_order_release);
}

Result<> History::read_back(Revision newest) {
  newest_settings_ = {};
  newest_floor_ = {};
  HOLDFAST_ASSIGN(const std::optional<std::string> keep, engine_.get_meta(kKeepHistory));
  if (keep) {
    if (keep->size() != 8) return damaged(kKeepHistory);
    newest_settings_.keep_history_ms = load_fixed<uint64_t>(keep->data());
  }
  HOLDFAST_ASSIGN(const std::optional<std::string> floor, engine_.get_meta(kFloor));
  if (floor) {
    HOLDFAST_ASSIGN(newest_floor_, decode_floor(*floor));
  }
  told_ = {};
  flushes_known_ = UINT64_MAX;
  oldest_ms_.store(UINT64_MAX, std::memory_order_release);
  publish();
  return look_behind_floor(newest);
}

void History::change(NamedOverlay& named, const SettingsCommand& change) {
  if (!change.keep_history_ms || *change.keep_history_ms == newest_settings_.keep_history_ms)
    return;
  newest_settings_.keep_history_ms = *change.keep_history_ms;
  put(named, kKeepHistory, encode_number(*change.keep_history_ms));
}

void History::raise(NamedOverlay& named, Revision floor) {
  if (floor > newest_floor_.revision) write_floor(named, floor, newest_floor_.looked_ms);
}

// Not by the calendar: one that is a year ahead would forget everything, and then, since no time in
// the log falls, nothing for a year.
Result<> History::raise_by_age(NamedOverlay& named, uint64_t now_ms, Revision newest,
                               const Made& made) {
  Revision floor = newest_floor_.revision;
  if (const uint64_t keep_ms = newest_settings_.keep_history_ms; now_ms >= keep_ms) {
    HOLDFAST_ASSIGN(floor,
                    newest_made_by(&Stamp::cluster_ms, now_ms - keep_ms, floor, newest, made));
  }
  write_floor(named, floor, now_ms);
  return {};
}

void History::write_floor(NamedOverlay& named, Revision floor, uint64_t looked_ms) {
  newest_floor_ = {floor, looked_ms};
  put(named, kFloor, encode_floor(floor, looked_ms));
}

void History::publish() {
  keep_ms_.store(newest_settings_.keep_history_ms, std::memory_order_release);
  looked_ms_.store(newest_floor_.looked_ms, std::memory_order_release);
  const uint64_t before = floor_.exchange(newest_floor_.revision.value, std::memory_order_acq_rel);
  if (before != newest_floor_.revision.value)
    oldest_ms_.store(UINT64_MAX, std::memory_order_release);
}

Result<> History::look_behind_floor(Revision newest) {
  if (oldest_ms_.load(std::memory_order_relaxed) == UINT64_MAX && newest > floor()) {
    HOLDFAST_ASSIGN(const Stamp made, engine_.made(floor() + 1));
    oldest_ms_.store(made.cluster_ms, std::memory_order_release);
  }
  return {};
}

Result<> History::settle(Revision newest) {
  HOLDFAST_TRY(look_behind_floor(newest));
  if (const uint64_t flushes = engine_.flush_count(); flushes != flushes_known_) {
    flushes_known_ = flushes;
    HOLDFAST_ASSIGN(const std::optional<std::string> durable, engine_.get_durable_meta(kFloor));
    if (!durable) return {};
    HOLDFAST_ASSIGN(const Floor floor, decode_floor(*durable));
    if (floor.revision == told_) return {};
    HOLDFAST_TRY(engine_.set_history_floor(floor.revision));
    told_ = floor.revision;
  }
  return {};
}

bool History::is_due(uint64_t now_ms) const {
  const uint64_t oldest = oldest_ms_.load(std::memory_order_acquire);
  const uint64_t keep = keep_ms_.load(std::memory_order_acquire);
  if (oldest == UINT64_MAX || now_ms < keep || oldest > now_ms - keep) return false;
  return now_ms >= looked_ms_.load(std::memory_order_acquire) + kRiseEveryMs;
}

}  // namespace holdfast
