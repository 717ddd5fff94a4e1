#include "storage/backup/writer.h"

#include <zstd.h>

#include "storage/base/bytes.h"
#include "storage/base/check.h"
#include "storage/base/codec.h"

namespace holdfast::backup {
namespace {

// What is in the files is compressed already, for speed: this takes what is cheap to have beyond.
constexpr int kLevel = 1;

}  // namespace

Writer::Writer() : zstd_(ZSTD_createCCtx(), ZSTD_freeCCtx), chain_(checksum(prelude())) {}

Writer::~Writer() = default;

void Writer::frame(FrameKind kind, std::string_view body, std::string& out) {
  chain_ = frame_checksum(chain_, kind, body);
  put_fixed(out, static_cast<uint32_t>(kind));
  put_fixed(out, static_cast<uint32_t>(body.size()));
  put_fixed(out, chain_);
  out.append(body);
}

void Writer::begin(const Head& head, std::string& out) {
  CHECK(head.files <= kFilesMax, "{} files", head.files);
  head_ = head;
  out.append(prelude());
  body_.clear();
  for (const uint64_t field :
       {head.cluster.value, head.group.value, head.revision.value, head.applied.value,
        head.term.value, head.taken_ms, head.files, head.bytes})
    put_fixed(body_, field);
  frame(FrameKind::kHead, body_, out);
}

void Writer::file(const FileHead& file, std::string& out) {
  ++files_;
  body_.clear();
  put_fixed(body_, file.size);
  body_.append(file.name);
  frame(FrameKind::kFile, body_, out);
}

void Writer::piece(std::string_view bytes, std::string& out) {
  CHECK(!bytes.empty() && bytes.size() <= kPieceBytesMax, "{} bytes", bytes.size());
  bytes_ += bytes.size();
  body_.clear();
  put_fixed(body_, static_cast<uint32_t>(bytes.size()));
  const size_t begin = body_.size();
  body_.resize(begin + ZSTD_compressBound(bytes.size()));
  const size_t size = ZSTD_compressCCtx(zstd_.get(), body_.data() + begin, body_.size() - begin,
                                        bytes.data(), bytes.size(), kLevel);
  CHECK(ZSTD_isError(size) == 0, "zstd says '{}'", ZSTD_getErrorName(size));
  body_.resize(begin + size);
  frame(FrameKind::kPiece, body_, out);
}

void Writer::end(std::string& out) {
  CHECK(files_ == head_.files && bytes_ == head_.bytes, "{} of {} files, {} of {} bytes", files_,
        head_.files, bytes_, head_.bytes);
  body_.clear();
  put_fixed(body_, files_);
  put_fixed(body_, bytes_);
  frame(FrameKind::kEnd, body_, out);
}

}  // namespace holdfast::backup
