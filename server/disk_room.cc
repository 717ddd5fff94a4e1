#include "server/disk_room.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/core.h>

#include "storage/base/thread_name.h"

namespace holdfast {
namespace {

// Less is written in between than makes a disk full that was not short.
constexpr std::chrono::milliseconds kMeasureEvery{100};
constexpr std::chrono::milliseconds kTryEvery{100};

}  // namespace

DiskRoom::Place::Place(FileSystem& fs, std::string path, uint64_t disk_bytes)
    : directory(std::move(path)),
      marks(RoomMarks::of(disk_bytes)),
      sizes(FileSizes::of(disk_bytes)),
      reserve(fs, directory + "/RESERVE", marks.reserve) {}

Result<std::unique_ptr<DiskRoom>> DiskRoom::open(FileSystem& fs, const std::string& state_directory,
                                                 const std::string& log_directory, TellEvent tell) {
  std::unique_ptr<DiskRoom> room(new DiskRoom(fs, std::move(tell)));
  HOLDFAST_TRY(room->add(state_directory));
  if (!log_directory.empty()) HOLDFAST_TRY(room->add(log_directory));
  room->look_at_all();
  return room;
}

Result<> DiskRoom::add(const std::string& directory) {
  HOLDFAST_TRY(fs_.create_directories(directory));
  HOLDFAST_ASSIGN(const DiskSpace space, fs_.space(directory));
  auto place = std::make_unique<Place>(fs_, directory, space.total);
  // A start writes some files before it serves, and can wait for nobody.
  if (is_full(*place)) (void)give_back_reserve(*place);
  places_.push_back(std::move(place));
  return {};
}

DiskRoom::~DiskRoom() {
  end_watch();
}

void DiskRoom::end_watch() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  ended_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void DiskRoom::watch(Told told) {
  {
    const std::lock_guard lock(mutex_);
    is_watched_ = true;
  }
  thread_ = std::thread([this, told = std::move(told)] { run(told); });
}

void DiskRoom::run(const Told& told) {
  name_this_thread("disk-room");
  RoomLevel was = RoomLevel::kEnough;
  do {
    look_at_all();
    told.looked(places_.front()->free);
    if (level_ != was) told.changed(was = level_);
  } while (pause());
}

bool DiskRoom::pause() {
  std::unique_lock lock(mutex_);
  return !ended_.wait_for(lock, kMeasureEvery, [this] { return is_over_; });
}

void DiskRoom::look_at_all() {
  RoomLevel level = RoomLevel::kEnough;
  for (const std::unique_ptr<Place>& place : places_) {
    look(*place);
    if (place->level != RoomLevel::kEnough) level = RoomLevel::kShort;
  }
  level_ = places_.back()->level == RoomLevel::kFull ? RoomLevel::kFull : level;
}

// What is not known stays as it was: a disk that cannot be asked will fail a write soon enough.
void DiskRoom::look(Place& place) const {
  const Result<> judged = judge(place);
  if (!judged && place.is_known)
    tell(place, "unknown", LogLevel::kWarning,
         fmt::format("how much room there is at {} cannot be told, or its reserve not be taken: "
                     "{}. Until it can, the node goes by what it knew before",
                     place.directory, judged.error().message));
  if (judged && !place.is_known)
    tell(place, "known", LogLevel::kInfo,
         fmt::format("how much room there is at {} is known again", place.directory));
  place.is_known = judged.has_value();
}

Result<> DiskRoom::judge(Place& place) const {
  HOLDFAST_ASSIGN(const DiskSpace space, fs_.space(place.directory));
  place.free = space.free;
  HOLDFAST_ASSIGN(const uint64_t lacks, place.reserve.lacks());
  const uint64_t room = space.free - std::min(lacks, space.free);
  const RoomLevel was = std::exchange(place.level, place.marks.level(place.level, room));
  const bool is_short = place.level != RoomLevel::kEnough;
  if (is_short && was == RoomLevel::kEnough)
    tell(place, "short", LogLevel::kWarning,
         fmt::format("{} has {} MiB free, less than {} MiB: growing writes are refused until there "
                     "are {}",
                     place.directory, room >> 20, place.marks.short_below >> 20,
                     place.marks.enough_from >> 20));
  if (!is_short && was != RoomLevel::kEnough)
    tell(place, "enough", LogLevel::kInfo,
         fmt::format("{} has {} MiB free: room enough again", place.directory, room >> 20));
  if (is_short || lacks == 0) return {};
  return place.reserve.take();
}

// So full that the reserve makes a difference. RocksDB says that there is no room for some seconds
// after there is.
bool DiskRoom::is_full(const Place& place) const {
  const Result<DiskSpace> space = fs_.space(place.directory);
  return !space || space->free < place.marks.reserve;
}

bool DiskRoom::give_back_reserve(Place& place) const {
  const Result<bool> given = place.reserve.give_back();
  if (!given || !*given) return false;
  tell(place, "reserve_given_back", LogLevel::kWarning,
       fmt::format("{} is on a disk that is full: the reserve there is given back",
                   place.directory));
  return true;
}

void DiskRoom::tell(const Place& place, const char* stage, LogLevel level, std::string text) const {
  tell_({.kind = EventKind::kRoom,
         .level = level,
         .text = std::move(text),
         .fields = {{"stage", std::string(stage)},
                    {"directory", place.directory},
                    {"free_bytes", place.free.load()}}});
}

uint64_t DiskRoom::free_bytes() const {
  uint64_t least = UINT64_MAX;
  for (const std::unique_ptr<Place>& place : places_) least = std::min(least, place->free.load());
  return least;
}

bool DiskRoom::has_room_to_flush() const {
  return places_.front()->free >= room_to_flush(state_sizes().memtable);
}

bool DiskRoom::make_room(Disk disk, RoomFor what) {
  Place& place = disk == Disk::kLog ? *places_.back() : *places_.front();
  if (what == RoomFor::kNewBytes && is_full(place) && give_back_reserve(place)) return true;
  std::unique_lock lock(mutex_);
  return is_watched_ && !ended_.wait_for(lock, kTryEvery, [this] { return is_over_; });
}

}  // namespace holdfast
