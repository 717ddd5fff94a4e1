#include "storage/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace holdfast {

void check_failed(const char* condition, const char* file, int line, const std::string& detail) {
  fatal(fmt::format("CHECK failed at {}:{}: {} {}", file, line, condition, detail));
}

void fatal(std::string_view message) {
  // stdio, not the log: the log's own state may be what is broken.
  std::fprintf(stderr, "fatal: %.*s\n", static_cast<int>(message.size()), message.data());
  std::fflush(stderr);
  std::abort();
}

}  // namespace holdfast
