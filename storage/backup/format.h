#pragma once

// What a backup is made of. README.md beside this file has the grammar and the reasons.

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/base/ids.h"

namespace holdfast::backup {

inline constexpr std::string_view kMagic = "HOLDFAST-BACKUP\n";
inline constexpr uint32_t kVersion = 1;

inline constexpr size_t kPieceBytesMax = size_t{256} << 10;  // of a file, before compression
inline constexpr uint64_t kFilesMax = 16'384;
inline constexpr size_t kNameBytesMax = 255;

// Of which state it is, and how much is to come.
struct Head {
  ClusterId cluster;
  GroupId group;
  Revision revision;
  LogIndex applied;
  Term term;              // of the entry at `applied`
  uint64_t taken_ms = 0;  // by the calendar of the node that made it, milliseconds since 1970
  uint64_t files = 0;
  uint64_t bytes = 0;  // of all files together
  friend bool operator==(const Head&, const Head&) = default;
};

// What follows are the bytes of this file.
struct FileHead {
  std::string name;  // letters, digits, '.', '-' and '_'; ascending from file to file
  uint64_t size = 0;
  friend bool operator==(const FileHead&, const FileHead&) = default;
};

struct Piece {
  std::string bytes;  // of the file named last, in order
  friend bool operator==(const Piece&, const Piece&) = default;
};

// The backup is whole.
struct End {
  uint64_t checksum = 0;  // names every byte before it
  friend bool operator==(const End&, const End&) = default;
};

// In front of the body of a frame: kind: u32, body bytes: u32, checksum: u64.
enum class FrameKind : uint32_t { kHead = 1, kFile = 2, kPiece = 3, kEnd = 4 };
inline constexpr size_t kFrameHeaderBytes = 16;
inline constexpr size_t kPreludeBytes = kMagic.size() + sizeof kVersion;

std::string prelude();
// Of a frame; `before`: that of the frame before it, of the first one that of the prelude.
uint64_t frame_checksum(uint64_t before, FrameKind kind, std::string_view body);

}  // namespace holdfast::backup
