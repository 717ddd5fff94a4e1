#include "server/reclaim.h"

#include <chrono>
#include <utility>

#include <fmt/core.h>

#include "server/disk_room.h"
#include "storage/base/log.h"
#include "storage/base/thread_name.h"
#include "storage/kv/command.h"

namespace holdfast {
namespace {

// The past cannot be had back: one disk that is short for a moment must not cost it, and a leader
// whose own it is hands over meanwhile, where another has room.
constexpr std::chrono::seconds kRefusedBefore{10};
constexpr std::chrono::seconds kForgetEvery{30};
// Each flush makes files, and on a disk where none may be rewritten they pile up.
constexpr std::chrono::seconds kFlushEvery{30};
constexpr std::chrono::seconds kReclaimEvery{2};

}  // namespace

Reclaim::Reclaim(RocksEngine& engine, const KvStateMachine& machine, const DiskRoom& room,
                 TellEvent tell)
    : engine_(engine),
      machine_(machine),
      room_(room),
      tell_(std::move(tell)),
      flushed_floor_(machine.history_floor()) {}

Reclaim::~Reclaim() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  ended_.notify_all();
  engine_.end_compactions();
  if (thread_.joinable()) thread_.join();
}

std::optional<Bytes> Reclaim::due(Instant now, const raft::Status& status) {
  if (status.role != raft::Role::kLeader || !status.refuses_growth) {
    refusal_.reset();
    return std::nullopt;
  }
  if (!refusal_ || refusal_->term != status.term) refusal_ = {status.term, now};
  if (now < refusal_->since + kRefusedBefore || now < next_) return std::nullopt;
  const Revision newest = machine_.revision();
  if (machine_.history_floor() >= newest) return std::nullopt;
  next_ = now + kForgetEvery;
  tell_({.kind = EventKind::kGrowth,
         .level = LogLevel::kWarning,
         .text = fmt::format(
             "growing writes are refused for want of room, for {} s now: the past of all keys, "
             "below revision {}, is given up on every node, whatever keep_history says, so that "
             "deletes make room. Make room on the disks that are short of it (short_of_room in GET "
             "/v1/cluster), or delete keys",
             std::chrono::floor<std::chrono::seconds>(now - refusal_->since).count(), newest.value),
         .fields = {{"refused", true}, {"compact_revision", newest.value}}});
  return encode_command({.act = CompactCommand{.floor = newest}});
}

void Reclaim::start() {
  thread_ = std::thread([this] { run(); });
}

bool Reclaim::pause() {
  std::unique_lock lock(mutex_);
  return !ended_.wait_for(lock, kReclaimEvery, [this] { return is_over_; });
}

void Reclaim::run() {
  name_this_thread("reclaim");
  const SystemClock clock;
  while (pause()) look(clock.now());
}

void Reclaim::look(Instant now) {
  // On a disk that is fuller, deletes go into memory and the log, which have room for many; then
  // who writes asks for the reserve.
  if (!room_.is_short() || !room_.has_room_to_flush()) return;
  if (machine_.durable() < machine_.summary().applied.index) flush(now);
  const Revision below = engine_.compacts_below();
  if (below <= rewritten_below_) return;
  if (const Result<> rewritten = engine_.compact(); !rewritten)
    return log_warning("what was deleted still takes room: {}", rewritten.error().message);
  rewritten_below_ = below;
  log_info("all files of the state were rewritten without what revision {} does not need",
           below.value);
}

void Reclaim::flush(Instant now) {
  const Revision floor = machine_.history_floor();
  if (floor == flushed_floor_ && now < next_flush_) return;
  flushed_floor_ = floor;
  next_flush_ = now + kFlushEvery;
  if (const Result<> flushed = engine_.flush(); !flushed)
    log_warning("the log cannot be cut: {}", flushed.error().message);
}

}  // namespace holdfast
