#include "replication/transport/frame.h"

#include "storage/base/bytes.h"
#include "storage/base/check.h"
#include "storage/base/codec.h"

namespace holdfast {
namespace {

constexpr uint32_t kMagic = 0x31464c48;  // "HLF1"

struct Head {
  size_t message_bytes;
  size_t heads_bytes;
  size_t payload_bytes;
  uint64_t sum;
};

Result<Head> read_head(std::string_view bytes, size_t part_bytes_max) {
  CHECK(bytes.size() >= kFrameHeadBytes);
  if (load_fixed<uint32_t>(bytes.data()) != kMagic)
    return fail(ErrorCode::kCorrupt, "the peer does not speak Holdfast's peer protocol");
  const Head head{load_fixed<uint32_t>(bytes.data() + 4),
                  load_fixed<uint32_t>(bytes.data() + 8) * kFrameEntryHeadBytes,
                  load_fixed<uint32_t>(bytes.data() + 12), load_fixed<uint64_t>(bytes.data() + 16)};
  if (head.message_bytes > part_bytes_max || head.heads_bytes > part_bytes_max ||
      head.payload_bytes > part_bytes_max)
    return fail(ErrorCode::kCorrupt, "a frame is larger than any that peers send");
  return head;
}

}  // namespace

size_t begin_frame(std::string& out) {
  const size_t start = out.size();
  out.resize(start + kFrameHeadBytes);
  return start;
}

void finish_frame(std::string& out, size_t start, size_t message_bytes, size_t entries) {
  const size_t covered = message_bytes + entries * kFrameEntryHeadBytes;
  const std::string_view frame = std::string_view(out).substr(start);
  const uint64_t sum = checksum(frame.substr(kFrameHeadBytes, covered));
  char* const head = out.data() + start;
  store_fixed<uint32_t>(head, kMagic);
  store_fixed<uint32_t>(head + 4, static_cast<uint32_t>(message_bytes));
  store_fixed<uint32_t>(head + 8, static_cast<uint32_t>(entries));
  store_fixed<uint32_t>(head + 12, static_cast<uint32_t>(frame.size() - kFrameHeadBytes - covered));
  store_fixed<uint64_t>(head + 16, sum);
}

Result<size_t> frame_body_bytes(std::string_view head, size_t part_bytes_max) {
  HOLDFAST_ASSIGN(const Head read, read_head(head, part_bytes_max));
  return read.message_bytes + read.heads_bytes + read.payload_bytes;
}

Result<std::optional<Frame>> take_frame(std::string_view& bytes, size_t part_bytes_max) {
  if (bytes.size() < kFrameHeadBytes) return std::nullopt;
  HOLDFAST_ASSIGN(const Head head, read_head(bytes, part_bytes_max));
  FixedReader reader(bytes.substr(kFrameHeadBytes));
  const auto covered = reader.take_bytes(head.message_bytes + head.heads_bytes);
  if (!covered) return std::nullopt;
  const auto payloads = reader.take_bytes(head.payload_bytes);
  if (!payloads) return std::nullopt;
  if (checksum(*covered) != head.sum)
    return fail(ErrorCode::kCorrupt, "a frame's checksum does not match");
  bytes = reader.rest();
  return Frame{covered->substr(0, head.message_bytes), covered->substr(head.message_bytes),
               *payloads};
}

}  // namespace holdfast
