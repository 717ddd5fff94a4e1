#include "storage/log/record.h"

#include <array>

#include <fmt/core.h>

#include "storage/base/check.h"
#include "storage/base/codec.h"

namespace holdfast {
namespace {

constexpr uint64_t kSegmentMagic = 0x54534146444c4f48;  // "HOLDFAST"
constexpr uint32_t kBatchMagic = 0x48435442;            // "BTCH"
constexpr uint64_t kFormatVersion = 1;
constexpr size_t kSegmentHeaderBytes = 72;

// A batch larger than this is rare (a follower catching up); its memory is not kept for the next.
constexpr size_t kBufferKeptBytes = size_t{8} << 20;

uint64_t seed_at(const BatchPlace& place) {
  std::array<char, 24> fields;
  store_fixed(fields.data(), place.salt);
  store_fixed(fields.data() + 8, place.segment);
  store_fixed(fields.data() + 16, place.offset);
  return checksum({fields.data(), fields.size()});
}

}  // namespace

std::string encode_segment_header(const SegmentHeader& header) {
  std::string block;
  block.reserve(kLogBlockBytes);
  put_fixed(block, kSegmentMagic);
  put_fixed(block, kFormatVersion);
  put_fixed(block, header.salt);
  put_fixed(block, header.number);
  put_fixed(block, header.bytes);
  put_fixed(block, header.previous_end);
  put_fixed(block, header.after.term.value);
  put_fixed(block, header.after.index.value);
  put_fixed(block, checksum(block));
  block.resize(kLogBlockBytes, '\0');
  return block;
}

Result<SegmentHeader> decode_segment_header(std::string_view block) {
  if (block.size() < kSegmentHeaderBytes) return fail(ErrorCode::kCorrupt, "the file is cut short");
  const std::string_view fields = block.substr(0, kSegmentHeaderBytes - sizeof(uint64_t));
  const uint64_t sum = load_fixed<uint64_t>(block.data() + fields.size());
  // The checksum keeps its place in every version: a damaged version number is no newer version.
  if (checksum(fields) != sum || load_fixed<uint64_t>(fields.data()) != kSegmentMagic)
    return fail(ErrorCode::kCorrupt, "its first block is not what was written there");
  const uint64_t version = load_fixed<uint64_t>(fields.data() + 8);
  if (version > kFormatVersion) {
    return fail(ErrorCode::kInvalid,
                fmt::format("it has format version {}, and this program reads versions up to {}: "
                            "start the newer program that wrote it",
                            version, kFormatVersion));
  }
  return SegmentHeader{.salt = load_fixed<uint64_t>(fields.data() + 16),
                       .number = load_fixed<uint64_t>(fields.data() + 24),
                       .bytes = load_fixed<uint64_t>(fields.data() + 32),
                       .previous_end = load_fixed<uint64_t>(fields.data() + 40),
                       .after = {{load_fixed<uint64_t>(fields.data() + 48)},
                                 {load_fixed<uint64_t>(fields.data() + 56)}}};
}

std::optional<BatchHeader> decode_batch_header(std::string_view bytes, const BatchPlace& place) {
  if (bytes.size() < BatchHeader::kBytes) return std::nullopt;
  if (load_fixed<uint32_t>(bytes.data()) != kBatchMagic) return std::nullopt;
  const std::string_view fields = bytes.substr(0, BatchHeader::kBytes - sizeof(uint64_t));
  if (checksum(fields, seed_at(place)) != load_fixed<uint64_t>(bytes.data() + fields.size()))
    return std::nullopt;
  return BatchHeader{.records = load_fixed<uint32_t>(bytes.data() + 4),
                     .body_bytes = load_fixed<uint64_t>(bytes.data() + 8),
                     .chain = load_fixed<uint64_t>(bytes.data() + 16)};
}

RecordReader::RecordReader(std::string_view records, const BatchPlace& place)
    : RecordReader(records, seed_at(place)) {}

std::optional<RecordView> RecordReader::next() {
  if (rest_.size() < kRecordHeaderBytes) return std::nullopt;
  const char* const at = rest_.data();
  const std::string_view fields = rest_.substr(0, kRecordHeaderBytes - sizeof(uint64_t));
  const uint64_t sum = load_fixed<uint64_t>(at + fields.size());
  const uint32_t payload_bytes = load_fixed<uint32_t>(at);
  if (checksum(fields, chain_) != sum) return std::nullopt;
  if (payload_bytes > rest_.size() - kRecordHeaderBytes) return std::nullopt;
  const RecordView record{
      .type = static_cast<RecordType>(at[4]),
      .kind = static_cast<EntryKind>(at[5]),
      .term = {load_fixed<uint64_t>(at + 8)},
      .index = {load_fixed<uint64_t>(at + 16)},
      .origin = {{load_fixed<uint64_t>(at + 24)}, {load_fixed<uint64_t>(at + 32)}},
      .stamp = {load_fixed<uint64_t>(at + 40), load_fixed<uint64_t>(at + 48)},
      .payload_checksum = load_fixed<uint64_t>(at + 56),
      .payload = rest_.substr(kRecordHeaderBytes, payload_bytes)};
  chain_ = sum;
  rest_.remove_prefix(kRecordHeaderBytes + payload_bytes);
  return record;
}

void BatchBuffer::begin(const BatchPlace& place) {
  place_ = place;
  records_ = 0;
  chain_ = seed_at(place);
  if (bytes_.capacity() > kBufferKeptBytes) bytes_ = std::string();
  bytes_.assign(BatchHeader::kBytes, '\0');
}

void BatchBuffer::add_header(const RecordView& record) {
  const size_t start = bytes_.size();
  CHECK(record.payload.size() <= UINT32_MAX);
  put_fixed(bytes_, static_cast<uint32_t>(record.payload.size()));
  put_fixed(bytes_, static_cast<uint8_t>(record.type));
  put_fixed(bytes_, static_cast<uint8_t>(record.kind));
  put_fixed(bytes_, uint16_t{0});
  put_fixed(bytes_, record.term.value);
  put_fixed(bytes_, record.index.value);
  put_fixed(bytes_, record.origin.node.value);
  put_fixed(bytes_, record.origin.request.value);
  put_fixed(bytes_, record.stamp.cluster_ms);
  put_fixed(bytes_, record.stamp.wall_ms);
  put_fixed(bytes_, record.payload_checksum);
  chain_ = checksum(std::string_view(bytes_).substr(start), chain_);
  put_fixed(bytes_, chain_);
  ++records_;
}

void BatchBuffer::add(const HardState& state) {
  add_header({.type = RecordType::kHardState,
              .kind = {},
              .term = state.term,
              .index = {},
              .origin = {.node = state.vote, .request = {}},
              .stamp = {},
              .payload_checksum = Bytes().checksum(),
              .payload = {}});
}

void BatchBuffer::add_cut(LogIndex from, Term term_before) {
  add_mark(RecordType::kCutFrom, {term_before, from});
}

void BatchBuffer::add_restart(const LogPosition& after) {
  add_mark(RecordType::kRestart, after);
}

void BatchBuffer::add_mark(RecordType type, const LogPosition& at) {
  add_header({.type = type,
              .kind = {},
              .term = at.term,
              .index = at.index,
              .origin = {},
              .stamp = {},
              .payload_checksum = Bytes().checksum(),
              .payload = {}});
}

RecordPlace BatchBuffer::add(const LogEntry& entry) {
  const RecordPlace place{.offset = place_.offset + bytes_.size(), .chain = chain_};
  add_header({.type = RecordType::kEntry,
              .kind = entry.kind,
              .term = entry.term,
              .index = entry.index,
              .origin = entry.origin,
              .stamp = entry.stamp,
              .payload_checksum = entry.payload.checksum(),
              .payload = entry.payload.view()});
  bytes_.append(entry.payload.view());
  return place;
}

std::string_view BatchBuffer::finish() {
  std::string header;
  put_fixed(header, kBatchMagic);
  put_fixed(header, records_);
  put_fixed(header, uint64_t{bytes_.size() - BatchHeader::kBytes});
  put_fixed(header, chain_);
  put_fixed(header, checksum(header, seed_at(place_)));
  bytes_.replace(0, header.size(), header);
  bytes_.resize(whole_blocks(bytes_.size()), '\0');
  return bytes_;
}

}  // namespace holdfast
