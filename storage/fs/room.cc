#include "storage/fs/room.h"

#include <algorithm>

namespace holdfast {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

}  // namespace

RoomMarks RoomMarks::of(uint64_t disk_bytes) {
  const uint64_t short_below = std::min(disk_bytes / 8, 1024 * kMiB);
  return {.reserve = std::min(disk_bytes / 16, 64 * kMiB),
          .short_below = short_below,
          .enough_from = short_below + short_below / 4};
}

uint64_t room_beside_copy(uint64_t disk_bytes) {
  return std::min(disk_bytes / 16, 256 * kMiB);
}

FileSizes FileSizes::of(uint64_t disk_bytes) {
  const auto share = [disk_bytes](uint64_t part, uint64_t most) {
    return std::clamp(disk_bytes / part / kMiB * kMiB, kMiB, most);
  };
  return {.segment = share(64, 64 * kMiB),
          .table = share(128, 64 * kMiB),
          .memtable = share(64, 16 * kMiB)};
}

}  // namespace holdfast
