#pragma once

// What a command is given to read.

#include <string>

#include "storage/base/result.h"

namespace holdfast::cli {

// The whole file; "-": standard input.
Result<std::string> read_input(const std::string& path);

}  // namespace holdfast::cli
