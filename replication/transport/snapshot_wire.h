#pragma once

// What is said on a connection that carries a snapshot. After the greetings:
//
//   sender    offer                 piece*             end
//   receiver        go on from here        [refused]       verifying* (stored | refused)
//
// Offer, answers and end are frames (frame.h). The pieces follow one another without gaps from the
// place that was asked for to the end of the last file; a file without bytes has none.
//
//   piece = file:u32 count:u32 offset:u64 checksum:u64 bytes
//
// `checksum` (XXH3) covers the fields before it and the bytes. A piece is kSnapshotPieceBytes, or
// what is left of its file. The checksum of a file: that of its first piece, which is the seed of
// the checksum of the second, and so on.

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "storage/base/ids.h"
#include "storage/base/result.h"
#include "storage/log/log_entry.h"

namespace holdfast {

inline constexpr size_t kSnapshotPieceBytes = 1 << 20;
inline constexpr size_t kSnapshotPieceHeadBytes = 4 + 4 + 8 + 8;
inline constexpr size_t kSnapshotFilesMax = 1 << 14;
inline constexpr size_t kSnapshotNameBytesMax = 64;
inline constexpr uint64_t kSnapshotBytesMax = uint64_t{1} << 50;
// An offer of as many files as there may be, each with a name as long as it may be.
inline constexpr size_t kSnapshotFrameBytesMax = 2 << 20;

struct SnapshotFile {
  std::string name;
  uint64_t size;
  friend bool operator==(const SnapshotFile&, const SnapshotFile&) = default;
};

struct SnapshotOffer {
  GroupId group;
  NodeId to;
  uint64_t snapshot;  // random; the same when the sender dials again
  LogPosition position;
  std::vector<SnapshotFile> files;
  uint64_t bytes() const;
  friend bool operator==(const SnapshotOffer&, const SnapshotOffer&) = default;
};

// Where the next piece begins: at a byte that there is, or, with `file` as many as there are files,
// nowhere: nothing is missing.
struct SnapshotPlace {
  uint32_t file = 0;
  uint64_t offset = 0;
  friend auto operator<=>(const SnapshotPlace&, const SnapshotPlace&) = default;
};

struct SnapshotEnd {
  std::vector<uint64_t> checksums;  // of each file
};

// The last that the receiver says on this connection.
struct SnapshotRefused {
  std::string reason;   // for people
  bool may_dial_again;  // what has arrived is kept for that
};
struct SnapshotVerifying {};
struct SnapshotStored {};
using SnapshotAnswer =
    std::variant<SnapshotPlace, SnapshotRefused, SnapshotVerifying, SnapshotStored>;

// What nobody honest offers: names that lead out of the directory, too many files, too many bytes.
Result<> check_offer(const SnapshotOffer& offer);
// Whether a piece begins there, or all of them end.
bool is_place(const SnapshotOffer& offer, const SnapshotPlace& place);
// The bytes of the piece at `place`, which lies in a file.
size_t piece_bytes(const SnapshotOffer& offer, const SnapshotPlace& place);
// The place after that piece.
SnapshotPlace place_after(const SnapshotOffer& offer, SnapshotPlace place);
// The place of the first piece.
SnapshotPlace first_place(const SnapshotOffer& offer);

std::string encode_offer(const SnapshotOffer& offer);
std::string encode_end(const SnapshotEnd& end);
std::string encode_answer(const SnapshotAnswer& answer);
std::string encode_piece_head(const SnapshotPlace& place, std::string_view bytes);

// Each reads one whole frame, or the head of a piece. An error ends the connection.
Result<SnapshotOffer> read_offer(std::string_view frame);
Result<SnapshotEnd> read_end(std::string_view frame);
Result<SnapshotAnswer> read_answer(std::string_view frame);
// That `head` belongs to the piece at `place` and says so of `bytes`, which follow it.
Result<> verify_piece(std::string_view head, const SnapshotPlace& place, std::string_view bytes);

}  // namespace holdfast
