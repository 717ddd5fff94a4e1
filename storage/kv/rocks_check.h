#pragma once

// The files of a state, block by block.

#include <cstdint>
#include <string>
#include <vector>

#include "storage/base/result.h"

namespace holdfast {

struct TableFiles {
  uint64_t files = 0;
  uint64_t bytes = 0;
  std::vector<std::string> wrong;  // a line for each that is damaged
};

// Of the database that is exactly `directory`. Compares the checksum of every block.
Result<TableFiles> check_table_files(const std::string& directory);

}  // namespace holdfast
