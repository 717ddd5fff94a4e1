#pragma once

// An entry has the same effect on every replica: one that cannot read its state applies no more.

#include <type_traits>
#include <utility>

#include <fmt/core.h>

#include "storage/base/check.h"
#include "storage/base/result.h"

namespace holdfast {

// What was read. An error stops the process.
template <class T>
T must(Result<T> read) {
  if (!read)
    fatal(fmt::format("applying the log stopped, the state cannot be read: {}",
                      read.error().message));
  if constexpr (!std::is_void_v<T>) return *std::move(read);
}

}  // namespace holdfast
