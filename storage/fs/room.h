#pragma once

// When a disk is short of room, and what a file may take of it, by its size: all such figures, and
// why each is what it is. Pure.

#include <cstdint>
#include <functional>

namespace holdfast {

// What a write is for that finds no room.
enum class RoomFor : uint8_t {
  kNewBytes,   // they are nowhere else, or the node cannot go on without them
  kRewriting,  // older files with less in them: put off, nothing is lost
};
// Asked by such a write; to be answered when it is worth another try. False: there is no hope.
using AskForRoom = std::function<bool(RoomFor)>;

enum class RoomLevel : uint8_t { kEnough, kShort, kFull };

struct RoomMarks {
  // Held back by a file (Reserve), and not counted as room. A sixteenth of the disk, 64 MiB at
  // most: by it a node with a full disk flushes once, writes some log of deletes, and starts.
  uint64_t reserve;
  // Less room than this: short. An eighth, 1 GiB at most: what a node at full speed writes in some
  // seconds, until all have heard that growth is refused, and room to rewrite files in all the
  // same.
  uint64_t short_below;
  // So much again: not short any more. A quarter more, or growth would be refused and allowed by
  // turns, with each file that comes and goes.
  uint64_t enough_from;

  static RoomMarks of(uint64_t disk_bytes);

  // Full: less room than another reserve, so that what can be done without is, before the reserve
  // itself is needed.
  RoomLevel level(RoomLevel was, uint64_t room) const {
    if (room < (was == RoomLevel::kFull ? 2 : 1) * reserve) return RoomLevel::kFull;
    const bool was_short = was != RoomLevel::kEnough;
    return room < (was_short ? enough_from : short_below) ? RoomLevel::kShort : RoomLevel::kEnough;
  }
};

// What must be free beside a state that a peer sends: the log goes on meanwhile, at most so fast as
// the state comes. On a small disk, a sixteenth; else a small state would have no room on it.
uint64_t room_beside_copy(uint64_t disk_bytes);

// A flush takes the memory of all three families of the state (storage/kv) as one, each up to a
// memtable: with less free than that, what asks for one of its own accord goes without.
constexpr uint64_t room_to_flush(uint64_t memtable_bytes) {
  return 3 * memtable_bytes;
}

// How large files should be: on a small disk a few of the usual size would be all there is, and
// rewriting some of them must find room where it is short already: eleven tables are less than
// `short_below`, what a flush takes less than the reserve, a segment less than half of
// `short_below`.
struct FileSizes {
  uint64_t segment;   // of the log
  uint64_t table;     // of the state; up to eleven are rewritten at once
  uint64_t memtable;  // what becomes a table by a flush

  static FileSizes of(uint64_t disk_bytes);
};

}  // namespace holdfast
