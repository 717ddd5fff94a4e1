#pragma once

// What every message between peers lies in.
//
//   frame   = magic:u32 message_bytes:u32 entries:u32 payload_bytes:u32 checksum:u64
//             message head* payload*
//   head    = payload_bytes:u32 kind:u8 term:u64 index:u64 origin_node:u64 origin_request:u64
//             payload_checksum:u64
//
// Little-endian. `checksum` (XXH3) covers message and heads; each payload has its own, which was
// made with the entry and stays with it in every log. `message` is protobuf (wire.proto).

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/result.h"

namespace holdfast {

inline constexpr size_t kFrameHeadBytes = 4 * 4 + 8;
inline constexpr size_t kFrameEntryHeadBytes = 4 + 1 + 7 * 8;

// The parts of one frame whose outside has been verified.
struct Frame {
  std::string_view message;
  std::string_view heads;
  std::string_view payloads;
};

// Makes room for a frame's head at the end of `out`, and says where; message, heads and payloads
// are added behind it, and `finish_frame` fills in the head.
size_t begin_frame(std::string& out);
void finish_frame(std::string& out, size_t start, size_t message_bytes, size_t entries);

// How many bytes follow the head of a frame (kFrameHeadBytes of them), or why it is none. No part
// of it may be larger than `part_bytes_max`.
Result<size_t> frame_body_bytes(std::string_view head, size_t part_bytes_max);
// Takes the first frame from `bytes`. Nothing: more bytes are needed.
Result<std::optional<Frame>> take_frame(std::string_view& bytes, size_t part_bytes_max);

}  // namespace holdfast
