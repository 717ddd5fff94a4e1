#pragma once

// Answers of Redis (RESP2) to the commands that the load sends: a line, a number, a value or nil.

#include "bench/load/answer_reader.h"

namespace holdfast::load {

class RespAnswers final : public AnswerReader {
 public:
  Result<size_t> read(std::string_view bytes) override;
  const RawAnswer* answer() const override { return is_complete_ ? &answer_ : nullptr; }

 private:
  RawAnswer answer_;
  bool is_complete_ = false;
};

}  // namespace holdfast::load
