#pragma once

// From the answer to a change to its outcome: for the parts that KvClient is made of.

#include <utility>

#include "client/kv_client.h"

namespace holdfast {

template <class T>
WriteOutcome<T> answer_in(WriteOutcome<HttpResponse> outcome,
                          Result<T> (*read_answer)(std::string_view)) {
  if (auto* refusal = std::get_if<Refusal>(&outcome)) return std::move(*refusal);
  if (auto* unknown = std::get_if<Unknown>(&outcome)) return std::move(*unknown);
  Result<T> answer = read_answer(std::get<HttpResponse>(outcome).body);
  // A success that cannot be read tells nothing that can be relied on.
  if (!answer) return Unknown{answer.error().message};
  return *std::move(answer);
}

}  // namespace holdfast
