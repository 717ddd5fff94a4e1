#pragma once

// Whether this node's disks have room for more: looked at from a thread of its own, so that growth
// is refused while there is still room for deletes, and not when a write fails. Where others fill
// the disk all the same, the reserve is given back to what must be written; and when that is gone
// too, it waits.
//
//   DIR/RESERVE      on the disk of the state, and of the log where it has another

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "storage/base/events.h"
#include "storage/fs/file_system.h"
#include "storage/fs/reserve.h"
#include "storage/fs/room.h"

namespace holdfast {

class DiskRoom {
 public:
  enum class Disk : uint8_t { kState, kLog };

  // Takes the reserves, or, so that a start succeeds on a disk that others have filled, gives them
  // back. `log_directory`: empty where the log lies with the state.
  static Result<std::unique_ptr<DiskRoom>> open(FileSystem& fs, const std::string& state_directory,
                                                const std::string& log_directory,
                                                TellEvent tell = log_event);
  ~DiskRoom();  // ends the watch
  DiskRoom(const DiskRoom&) = delete;
  DiskRoom& operator=(const DiskRoom&) = delete;

  // Called from the thread that looks.
  struct Told {
    // Short: one of them; full: the log's. First, if it is so already.
    std::function<void(RoomLevel)> changed;
    std::function<void(uint64_t free_bytes)> looked;  // each time, of the state's disk
  };
  // From now on looks again and again.
  void watch(Told told);

  // Any thread.
  bool is_short() const { return level_.load(std::memory_order_relaxed) != RoomLevel::kEnough; }
  uint64_t free_bytes() const;  // of the disk that has the least
  // For what a flush of the state may need, on its disk.
  bool has_room_to_flush() const;
  const FileSizes& state_sizes() const { return places_.front()->sizes; }
  const FileSizes& log_sizes() const { return places_.back()->sizes; }

  // For who found no room to write. True: it is worth another try: the reserve was given back, or,
  // under watch, some time has passed. False: nothing is to be hoped for. No rewriting is given the
  // reserve: what must be written could not have it any more.
  bool make_room(Disk disk, RoomFor what);
  // The node stops: no change is told any more, and nobody waits for room.
  void end_watch();

 private:
  struct Place {
    Place(FileSystem& fs, std::string path, uint64_t disk_bytes);

    const std::string directory;
    const RoomMarks marks;
    const FileSizes sizes;
    Reserve reserve;
    std::atomic<uint64_t> free = UINT64_MAX;  // as it was last seen
    // Of the thread that looks.
    RoomLevel level = RoomLevel::kEnough;
    bool is_known = true;  // the last look found out all that it is for
  };

  DiskRoom(FileSystem& fs, TellEvent tell) : fs_(fs), tell_(std::move(tell)) {}
  void tell(const Place& place, const char* stage, LogLevel level, std::string text) const;
  Result<> add(const std::string& directory);
  void look(Place& place) const;
  Result<> judge(Place& place) const;
  bool is_full(const Place& place) const;
  bool give_back_reserve(Place& place) const;
  void look_at_all();
  void run(const Told& told);
  bool pause();  // false: it is over

  FileSystem& fs_;
  const TellEvent tell_;
  std::vector<std::unique_ptr<Place>> places_;  // of the state; of the log, where it has its own
  std::atomic<RoomLevel> level_ = RoomLevel::kEnough;

  std::mutex mutex_;
  std::condition_variable ended_;
  bool is_watched_ = false;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace holdfast
