#pragma once

// Shows on standard error how far an import is: a bar that is drawn over and over on a terminal,
// a line a second elsewhere.

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "client/cli/import_journal.h"
#include "storage/base/clock.h"

namespace holdfast::cli {

// How often a bar is drawn.
inline constexpr Duration kBarPeriod = std::chrono::milliseconds(100);

struct ProgressStyle {
  bool is_bar = false;
  size_t width = 80;
};

// A share from 0 to 1 as a bar.
std::string bar(double share, size_t cells);

// One state of the bar or the line, without its end. `total` is not there where it is not known.
std::string progress_text(const ImportJournal::Summary& summary, std::optional<uint64_t> total,
                          const ProgressStyle& style);

// Runs from its making to its end on a thread of its own.
class Progress {
 public:
  Progress(const ImportJournal& journal, std::optional<uint64_t> total);
  ~Progress();

 private:
  void run();

  const ImportJournal& journal_;
  const std::optional<uint64_t> total_;
  const ProgressStyle style_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_over_ = false;  // under the mutex
  std::thread thread_;
};

}  // namespace holdfast::cli
