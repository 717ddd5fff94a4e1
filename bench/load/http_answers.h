#pragma once

// HTTP/1.1 answers, as strict as a client that counts on their framing must be: a length or chunks,
// never both, never neither. No more of HTTP is known than that.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "bench/load/answer_reader.h"

namespace holdfast::load {

class HttpAnswers final : public AnswerReader {
 public:
  // Of each body at most so much is kept.
  explicit HttpAnswers(size_t body_kept_max) : body_kept_max_(body_kept_max) {}

  Result<size_t> read(std::string_view bytes) override;
  const RawAnswer* answer() const override { return is_complete_ ? &answer_ : nullptr; }

  // Of an answer that has not ended: its status, 0 before its head was read; and what has come of
  // its body since the last time.
  unsigned status() const { return answer_.status; }
  std::string take_body() { return std::exchange(kept_, {}); }

 private:
  enum class State { kHead, kBody, kChunkSize, kChunk, kChunkEnd, kTrailer };

  // Each takes bytes from the front, or none: then more must come.
  Result<size_t> read_head(std::string_view bytes);
  Result<size_t> read_chunk_size(std::string_view bytes);
  Result<size_t> read_chunk_end(std::string_view bytes);
  Result<size_t> read_trailer(std::string_view bytes);
  size_t read_body(std::string_view bytes, State then);
  Result<> read_fields(std::string_view lines);
  Result<> read_field(std::string_view line);
  void keep(std::string_view part);
  void begin_anew();
  void complete();

  const size_t body_kept_max_;
  State state_ = State::kHead;
  RawAnswer answer_;
  bool is_complete_ = false;
  bool has_length_ = false;
  bool is_chunked_ = false;
  uint64_t left_ = 0;          // of the body, or of the chunk
  std::string kept_;           // of a body that came in parts
  std::string_view in_place_;  // of one that came whole
};

}  // namespace holdfast::load
