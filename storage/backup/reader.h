#pragma once

// Reads a backup from bytes as they come, whatever their sizes, and believes none of them before
// their checksum was compared. Pure; bounded memory: one frame, and what it was fed beyond.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "storage/backup/format.h"
#include "storage/base/result.h"

struct ZSTD_DCtx_s;

namespace holdfast::backup {

class Reader {
 public:
  using Event = std::variant<Head, FileHead, Piece, End>;

  Reader();
  ~Reader();
  Reader(Reader&&) noexcept;

  void feed(std::string_view bytes);
  // What comes next of what was fed; nothing: more bytes are needed. The order is as Writer says,
  // and all counts agree with the head. kCorrupt: damaged, with the place, or no backup at
  // all; kInvalid: one of a newer version. After an error or the End there is nothing more to ask.
  Result<std::optional<Event>> next();
  // No more bytes come. kCorrupt: it was cut short, or something stands behind its end.
  Result<> finish() const;

  uint64_t file_bytes() const { return bytes_; }  // of the files, so far

 private:
  Result<bool> take_prelude();
  Result<Event> decode(FrameKind kind, std::string_view body);
  Result<Event> decode_head(std::string_view body);
  Result<Event> decode_file(std::string_view body);
  Result<Event> decode_piece(std::string_view body);
  Result<Event> decode_end(std::string_view body);
  std::unexpected<Error> damaged(std::string_view what) const;
  std::string_view rest() const { return std::string_view(buffer_).substr(used_); }
  void pass(size_t bytes);

  std::unique_ptr<ZSTD_DCtx_s, size_t (*)(ZSTD_DCtx_s*)> zstd_;
  std::string buffer_;
  size_t used_ = 0;      // of the buffer
  uint64_t offset_ = 0;  // in the backup, of what comes next
  bool begun_ = false;   // the prelude was taken
  uint64_t chain_ = 0;
  std::optional<Head> head_;
  uint64_t files_ = 0;
  std::string name_;        // of the file at hand
  uint64_t file_left_ = 0;  // of its bytes
  uint64_t bytes_ = 0;
  bool ended_ = false;
};

}  // namespace holdfast::backup
