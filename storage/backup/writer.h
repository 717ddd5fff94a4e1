#pragma once

// Writes a backup, piece by piece, as bytes: where they go is the caller's. Pure; in this order:
// begin, for each file of the head its FileHead and all its bytes, end.

#include <memory>
#include <string>
#include <string_view>

#include "storage/backup/format.h"

struct ZSTD_CCtx_s;

namespace holdfast::backup {

class Writer {
 public:
  Writer();
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Each appends to `out`.
  void begin(const Head& head, std::string& out);
  void file(const FileHead& file, std::string& out);
  void piece(std::string_view bytes, std::string& out);  // 1 to kPieceBytesMax
  void end(std::string& out);

 private:
  void frame(FrameKind kind, std::string_view body, std::string& out);

  const std::unique_ptr<ZSTD_CCtx_s, size_t (*)(ZSTD_CCtx_s*)> zstd_;
  std::string body_;  // kept for its memory
  uint64_t chain_;    // the checksum of the frame before
  uint64_t files_ = 0;
  uint64_t bytes_ = 0;
  Head head_;
};

}  // namespace holdfast::backup
