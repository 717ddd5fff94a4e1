#include "storage/backup/reader.h"

#include <algorithm>
#include <array>
#include <zstd.h>

#include <fmt/format.h>

#include "storage/base/bytes.h"
#include "storage/base/codec.h"

namespace holdfast::backup {
namespace {

// A piece that does not shrink grows a little.
constexpr size_t kBodyBytesMax = kPieceBytesMax + (size_t{4} << 10);
constexpr size_t kHeadFields = 8;

bool is_plain(std::string_view name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  };
  return !name.empty() && name.size() <= kNameBytesMax && name != "." && name != ".." &&
         std::ranges::all_of(name, is_letter);
}

}  // namespace

Reader::Reader() : zstd_(ZSTD_createDCtx(), ZSTD_freeDCtx) {}
Reader::~Reader() = default;
Reader::Reader(Reader&&) noexcept = default;

void Reader::feed(std::string_view bytes) {
  buffer_.erase(0, used_);
  used_ = 0;
  buffer_.append(bytes);
}

void Reader::pass(size_t bytes) {
  used_ += bytes;
  offset_ += bytes;
}

std::unexpected<Error> Reader::damaged(std::string_view what) const {
  return fail(
      ErrorCode::kCorrupt,
      fmt::format("the backup is damaged at byte {}{}: {}. Nothing behind that place can be "
                  "relied on; take another copy of it, or another backup",
                  offset_, name_.empty() ? "" : fmt::format(", in the file {}", name_), what));
}

Result<bool> Reader::take_prelude() {
  const std::string_view bytes = rest();
  const size_t seen = std::min(bytes.size(), kMagic.size());
  if (bytes.substr(0, seen) != kMagic.substr(0, seen))
    return fail(ErrorCode::kCorrupt,
                "this is no backup of Holdfast, or its first bytes are damaged: it does not begin "
                "like one");
  if (bytes.size() < kPreludeBytes) return false;
  const auto version = load_fixed<uint32_t>(bytes.data() + kMagic.size());
  if (version == 0) return damaged("its format has no version");
  if (version > kVersion)
    return fail(
        ErrorCode::kInvalid,
        fmt::format("the backup has format {}, this version of Holdfast reads up to {}: use "
                    "the newer version that made it",
                    version, kVersion));
  chain_ = checksum(bytes.substr(0, kPreludeBytes));
  pass(kPreludeBytes);
  return true;
}

Result<std::optional<Reader::Event>> Reader::next() {
  if (ended_) return std::nullopt;
  if (!begun_) {
    HOLDFAST_ASSIGN(begun_, take_prelude());
    if (!begun_) return std::nullopt;
  }
  const std::string_view bytes = rest();
  if (bytes.size() < kFrameHeaderBytes) return std::nullopt;
  const FrameKind kind{load_fixed<uint32_t>(bytes.data())};
  const auto size = load_fixed<uint32_t>(bytes.data() + 4);
  if (size > kBodyBytesMax) return damaged("a length is impossible");
  if (bytes.size() < kFrameHeaderBytes + size) return std::nullopt;
  const std::string_view body = bytes.substr(kFrameHeaderBytes, size);
  const uint64_t sum = frame_checksum(chain_, kind, body);
  if (sum != load_fixed<uint64_t>(bytes.data() + 8)) return damaged("a checksum does not match");
  chain_ = sum;
  HOLDFAST_ASSIGN(Event event, decode(kind, body));
  pass(kFrameHeaderBytes + size);
  return event;
}

Result<Reader::Event> Reader::decode(FrameKind kind, std::string_view body) {
  if (head_.has_value() == (kind == FrameKind::kHead)) return damaged("its parts are out of order");
  switch (kind) {
    case FrameKind::kHead:
      return decode_head(body);
    case FrameKind::kFile:
      return decode_file(body);
    case FrameKind::kPiece:
      return decode_piece(body);
    case FrameKind::kEnd:
      return decode_end(body);
  }
  return damaged("it holds a part of an unknown kind");
}

Result<Reader::Event> Reader::decode_head(std::string_view body) {
  if (body.size() != kHeadFields * sizeof(uint64_t)) return damaged("its head cannot be read");
  const auto field = [body](size_t i) { return load_fixed<uint64_t>(body.data() + 8 * i); };
  Head head{.cluster = {field(0)},
            .group = {field(1)},
            .revision = {field(2)},
            .applied = {field(3)},
            .term = {field(4)},
            .taken_ms = field(5),
            .files = field(6),
            .bytes = field(7)};
  if (head.files > kFilesMax) return damaged("it names too many files");
  head_ = head;
  return head;
}

Result<Reader::Event> Reader::decode_file(std::string_view body) {
  FixedReader fields(body);
  const std::optional<uint64_t> size = fields.take<uint64_t>();
  if (!size || !is_plain(fields.rest())) return damaged("the name of a file cannot be read");
  if (file_left_ > 0) return damaged("the file ends too early");
  if (!name_.empty() && fields.rest() <= name_) return damaged("its files are out of order");
  if (files_ == head_->files || *size > head_->bytes - bytes_)
    return damaged("it holds more than its head says");
  ++files_;
  name_ = fields.rest();
  file_left_ = *size;
  return FileHead{name_, *size};
}

Result<Reader::Event> Reader::decode_piece(std::string_view body) {
  FixedReader fields(body);
  const std::optional<uint32_t> size = fields.take<uint32_t>();
  if (!size || *size == 0 || *size > kPieceBytesMax) return damaged("a piece has no size");
  if (*size > file_left_) return damaged("the file is longer than it should be");
  Piece piece{std::string(*size, '\0')};
  const size_t unpacked = ZSTD_decompressDCtx(zstd_.get(), piece.bytes.data(), piece.bytes.size(),
                                              fields.rest().data(), fields.rest().size());
  if (ZSTD_isError(unpacked) != 0 || unpacked != piece.bytes.size())
    return damaged("a piece cannot be decompressed");
  file_left_ -= *size;
  bytes_ += *size;
  return piece;
}

Result<Reader::Event> Reader::decode_end(std::string_view body) {
  FixedReader fields(body);
  const std::optional<uint64_t> files = fields.take<uint64_t>();
  const std::optional<uint64_t> bytes = fields.take<uint64_t>();
  if (!files || !bytes || !fields.rest().empty()) return damaged("its end cannot be read");
  if (file_left_ > 0 || files_ != head_->files || bytes_ != head_->bytes || *files != files_ ||
      *bytes != bytes_)
    return damaged("it holds less than its head says");
  ended_ = true;
  return End{chain_};
}

Result<> Reader::finish() const {
  if (ended_ && rest().empty()) return {};
  if (ended_)
    return fail(ErrorCode::kCorrupt,
                fmt::format("something stands behind the backup's end, from byte {} on: it is not "
                            "the file that was written",
                            offset_));
  return fail(
      ErrorCode::kCorrupt,
      fmt::format("the backup is cut short: it ends at byte {}{}, and its end is not there. "
                  "Take another copy of it, or another backup",
                  offset_ + rest().size(),
                  name_.empty() ? "" : fmt::format(", in the file {}", name_)));
}

}  // namespace holdfast::backup
