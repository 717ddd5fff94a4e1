#include "server/reclaim.h"

#include <chrono>

#include "server/disk_room.h"
#include "storage/base/log.h"
#include "storage/kv/command.h"

namespace holdfast {
namespace {

constexpr std::chrono::seconds kForgetEvery{10};
constexpr std::chrono::seconds kReclaimEvery{2};

}  // namespace

Reclaim::Reclaim(RocksEngine& engine, const KvStateMachine& machine, const DiskRoom& room)
    : engine_(engine), machine_(machine), room_(room), thread_([this] { run(); }) {}

Reclaim::~Reclaim() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  ended_.notify_all();
  engine_.end_compactions();
  thread_.join();
}

std::optional<Bytes> Reclaim::due(Instant now, const raft::Status& status) {
  if (status.role != raft::Role::kLeader || !status.refuses_growth || now < next_)
    return std::nullopt;
  const Revision newest = machine_.revision();
  if (machine_.history_floor() >= newest) return std::nullopt;
  next_ = now + kForgetEvery;
  return encode_command({.act = CompactCommand{.floor = newest}});
}

bool Reclaim::pause() {
  std::unique_lock lock(mutex_);
  return !ended_.wait_for(lock, kReclaimEvery, [this] { return is_over_; });
}

void Reclaim::run() {
  while (pause()) {
    if (room_.is_short()) reclaim();
  }
}

void Reclaim::reclaim() {
  // On a disk that is fuller, deletes go into memory and the log, which have room for many; then
  // who writes asks for the reserve.
  if (!room_.has_room_to_flush()) return;
  if (machine_.durable() < machine_.summary().applied.index) {
    if (const Result<> flushed = engine_.flush(); !flushed)
      return log_warning("the log cannot be cut: {}", flushed.error().message);
  }
  const Revision below = engine_.compacts_below();
  if (below <= rewritten_below_) return;
  if (const Result<> rewritten = engine_.compact(); !rewritten)
    return log_warning("what was deleted still takes room: {}", rewritten.error().message);
  rewritten_below_ = below;
  log_info("all files of the state were rewritten without what revision {} does not need",
           below.value);
}

}  // namespace holdfast
