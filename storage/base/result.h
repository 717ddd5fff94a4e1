#pragma once

// What a function that can fail returns. A code exists only if a caller acts on it.

#include <expected>
#include <string>
#include <utility>

namespace holdfast {

enum class ErrorCode {
  kInvalid,      // the caller's input is wrong; the message names the part
  kNotFound,     // the file, key or route is not there
  kCorrupt,      // bytes on disk or on the wire are not what was written
  kIo,           // the operating system refused; the message carries its words
  kUnavailable,  // nobody answered there; another try may succeed
  kIncomplete,   // not in memory: ask again where blocking is allowed
  kNoSpace,      // the disk is full: with room on it the same would succeed
  kVoteLost,     // what this node voted for may be gone: it must come back as another one
};

struct Error {
  ErrorCode code;
  std::string message;  // what happened, to what, what to do
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorCode code, std::string message) {
  return std::unexpected(Error{code, std::move(message)});
}

}  // namespace holdfast

// Returns the error of `expression` from the calling function, if it has one.
#define HOLDFAST_TRY(expression)                                   \
  do {                                                             \
    if (auto holdfast_outcome = (expression); !holdfast_outcome)   \
      return std::unexpected(std::move(holdfast_outcome).error()); \
  } while (false)

#define HOLDFAST_CONCAT_INNER(a, b) a##b
#define HOLDFAST_CONCAT(a, b) HOLDFAST_CONCAT_INNER(a, b)

// `target` is assigned the value of `expression`, or its error is returned.
#define HOLDFAST_ASSIGN(target, expression) \
  HOLDFAST_ASSIGN_INNER(HOLDFAST_CONCAT(holdfast_outcome_, __LINE__), target, expression)
#define HOLDFAST_ASSIGN_INNER(outcome, target, expression)          \
  auto outcome = (expression);                                      \
  if (!outcome) return std::unexpected(std::move(outcome).error()); \
  target = std::move(outcome).value()
