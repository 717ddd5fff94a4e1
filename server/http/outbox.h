#pragma once

// The bytes that a connection owes its client, in as few writes as possible: small answers lie in
// one run of bytes, a large body is moved in, never copied.

#include <array>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>

#include "server/http/pipeline.h"

namespace holdfast::http {

class Outbox {
 public:
  // `date` is a whole `Date: …\r\n` line. Of an answer with a stream: its head and first bytes.
  void add(Pipeline::Answer answer, std::string_view date);
  // What follows of a stream. `minor_version` as in the form of its answer: only 1.1 has chunks.
  void add_piece(std::string piece, uint8_t minor_version);
  void end_stream(uint8_t minor_version);

  // What to write now: up to kPieces runs of bytes, in order.
  static constexpr size_t kPieces = 16;
  struct Pieces {
    std::array<std::string_view, kPieces> pieces;
    size_t count = 0;
  };
  Pieces front() const;
  // That many bytes of the front were written.
  void pop(size_t bytes);

  size_t bytes() const { return bytes_; }
  bool empty() const { return bytes_ == 0; }

 private:
  std::string& tail();
  void add_bytes(std::string_view bytes);
  void add_body(std::string body);

  std::deque<std::string> runs_;
  size_t written_ = 0;  // of the first run
  size_t bytes_ = 0;
};

}  // namespace holdfast::http
