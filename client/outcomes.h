#pragma once

// How calls end: with what they were made for, refused, or unknown.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "client/http_connection.h"
#include "storage/base/result.h"

namespace holdfast {

// The call certainly changed nothing, and is not repeated (any more).
struct Refusal {
  unsigned status = 0;     // of the last answer; 0: nobody answered
  std::string code;        // a word of the API's table of errors; "unreachable": nobody answered
  bool retryable = false;  // whether the same call can succeed later
  std::string message;     // what was refused by whom, for a person
};

// The call may or may not have happened, and may still happen. Not a failure: only a look at the
// data, or a repetition that is harmless by its nature, can tell.
struct Unknown {
  std::string message;
};

template <class T>
using ReadOutcome = std::expected<T, Refusal>;
template <class T>
using WriteOutcome = std::variant<T, Refusal, Unknown>;

// Reads a T out of the body of a success.
template <class T>
using BodyReader = Result<T> (*)(std::string_view);

// What a change has come to.
template <class T, BodyReader<T> kRead>
WriteOutcome<T> changed(WriteOutcome<HttpResponse> outcome) {
  if (auto* refusal = std::get_if<Refusal>(&outcome)) return std::move(*refusal);
  if (auto* unknown = std::get_if<Unknown>(&outcome)) return std::move(*unknown);
  Result<T> answer = kRead(std::get<HttpResponse>(outcome).body);
  // A success that cannot be read tells nothing that can be relied on.
  if (!answer) return Unknown{std::move(answer).error().message};
  return *std::move(answer);
}

// What a read has come to, of which nothing can be left open.
inline ReadOutcome<HttpResponse> answered(WriteOutcome<HttpResponse> outcome) {
  if (auto* refusal = std::get_if<Refusal>(&outcome)) return std::unexpected(std::move(*refusal));
  return std::get<HttpResponse>(std::move(outcome));
}

template <class T, BodyReader<T> kRead>
ReadOutcome<T> seen(WriteOutcome<HttpResponse> outcome) {
  HOLDFAST_ASSIGN(const HttpResponse response, answered(std::move(outcome)));
  Result<T> answer = kRead(response.body);
  if (!answer) {
    return std::unexpected(Refusal{.status = response.status,
                                   .code = "bad_answer",
                                   .message = std::move(answer).error().message});
  }
  return *std::move(answer);
}

}  // namespace holdfast
