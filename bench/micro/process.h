#pragma once

// What this process has used up: figures that other programs on the machine do not change.

#include <cstdint>
#include <cstdio>
#include <sys/resource.h>

#include "storage/base/check.h"

namespace holdfast {

// By all threads, in user and system mode.
inline double cpu_seconds() {
  rusage usage{};
  CHECK(::getrusage(RUSAGE_SELF, &usage) == 0);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Given to the system to be written, into whatever file.
inline uint64_t written_bytes() {
  std::FILE* const file = std::fopen("/proc/self/io", "r");
  CHECK(file != nullptr);
  unsigned long long bytes = 0;
  CHECK(std::fscanf(file, "rchar: %*u wchar: %llu", &bytes) == 1);
  std::fclose(file);
  return bytes;
}

}  // namespace holdfast
