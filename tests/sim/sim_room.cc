// A disk that others fill. As in production a node looks at its room now and then, goes without
// what it can do without, and says so to its core; the log thread waits for a file that finds no
// room.

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "tests/sim/sim_node.h"

namespace holdfast::sim {
namespace {

using std::chrono::milliseconds;

// As if the disk were so large: room for some files of the log while it is short.
const RoomMarks kRoomMarks = RoomMarks::of(uint64_t{4} << 20);
constexpr Duration kLookAtRoomEvery = milliseconds(100);

}  // namespace

void SimNode::fill_disk(Duration length) {
  const uint64_t most = watch_.random.chance(0.5) ? kRoomMarks.reserve : kRoomMarks.short_below;
  leave_room(watch_.random.below(most));
  filled_until_ = std::max(filled_until_, watch_.agenda.now() + length);
  watch_.agenda.add(length, [this] {
    if (!is_disk_filled()) free_disk();
  });
}

void SimNode::fill_disk_for_ever() {
  free_most_ = watch_.random.below(kRoomMarks.short_below);
  leave_room(free_most_);
  filled_until_ = kNever;
}

void SimNode::leave_room(uint64_t bytes) {
  watch_.marks.reach(Mark::kFullDisk);
  watch_.line(id_, [&] { return fmt::format("its disk has {} bytes free", bytes); });
  files_.leave_free(bytes);
  if (replica_ && !looks_at_room_) look_later();
}

void SimNode::look_later() {
  looks_at_room_ = true;
  after(watch_.random.between(Duration{}, kLookAtRoomEvery), [this] { look_at_room(); });
}

void SimNode::free_disk() {
  filled_until_ = {};
  free_most_ = UINT64_MAX;
  files_.limit(UINT64_MAX);
  has_reserve_ = true;
  waits_for_room_ = false;
}

// A start writes some files before it serves, and can wait for nobody: the reserve is given back,
// or whoever runs the node sees to it.
void SimNode::make_room_to_start() {
  if (!is_disk_filled() || files_.space("").value().free >= kRoomMarks.reserve) return;
  has_reserve_ = false;
  files_.leave_free(kRoomMarks.reserve);
}

// Here nobody can wait in the middle of a write. So what is written then is synced, and answered,
// when there is room.
bool SimNode::make_room() {
  if (std::exchange(has_reserve_, false)) {
    watch_.marks.reach(Mark::kReserveGiven);
    files_.leave_free(files_.space("").value().free + kRoomMarks.reserve);
    return true;
  }
  watch_.marks.reach(Mark::kWaitForRoom);
  waits_for_room_ = true;
  files_.leave_free(kRoomMarks.reserve);
  return true;
}

void SimNode::look_at_room() {
  looks_at_room_ = false;
  if (!is_disk_filled() && room_ == RoomLevel::kEnough) return;
  const uint64_t free = files_.space("").value().free;
  if (free > free_most_) files_.leave_free(free_most_);
  const RoomLevel was = std::exchange(room_, kRoomMarks.level(room_, std::min(free, free_most_)));
  if (room_ != was) {
    const bool is_short = room_ != RoomLevel::kEnough;
    if (!is_short) watch_.marks.reach(Mark::kRoomAgain);
    log_->be_thrifty(is_short);
    give(raft::RoomChanged{is_short, room_ == RoomLevel::kFull});
  }
  look_later();
}

}  // namespace holdfast::sim
