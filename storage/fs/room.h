#pragma once

// When a disk is short of room, by its size. Pure.

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

struct RoomMarks {
  uint64_t reserve;      // held back by a file (Reserve), and not counted as room
  uint64_t short_below;  // less room than this: short
  uint64_t enough_from;  // so much again: not short any more

  // A part of the disk, or, on large ones, what a node at full speed fills in some seconds.
  static RoomMarks of(uint64_t disk_bytes);

  bool is_short(bool was_short, uint64_t room) const {
    return room < (was_short ? enough_from : short_below);
  }
};

// A flush takes the memory of all three families of the state (storage/kv) as one, each up to a
// memtable: with less free than that, what asks for one of its own accord goes without.
constexpr uint64_t room_to_flush(uint64_t memtable_bytes) {
  return 3 * memtable_bytes;
}

// How large files should be: on a small disk a few of the usual size would be all there is, and
// rewriting some of them must find room where it is short already.
struct FileSizes {
  uint64_t segment;   // of the log
  uint64_t table;     // of the state; up to eleven are rewritten at once
  uint64_t memtable;  // what becomes a table by a flush

  static FileSizes of(uint64_t disk_bytes);
};

}  // namespace holdfast
