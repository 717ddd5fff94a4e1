#include "server/offline/progress_line.h"

#include <cstdio>
#include <unistd.h>

#include <fmt/format.h>

namespace holdfast::offline {

void show_progress(const backup::Head& head, uint64_t bytes) {
  if (::isatty(STDERR_FILENO) == 0 || head.bytes == 0) return;
  fmt::print(stderr, "\r  {:3.0f}%  {} of {} MiB\x1b[K",
             100.0 * static_cast<double>(bytes) / static_cast<double>(head.bytes), bytes >> 20,
             head.bytes >> 20);
  if (bytes == head.bytes) fmt::print(stderr, "\r\x1b[K");
}

}  // namespace holdfast::offline
