#include "client/cli/progress.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>

#include "client/cli/terminal.h"
#include "storage/base/text.h"

namespace holdfast::cli {
namespace {

constexpr Duration kLinePeriod = std::chrono::seconds(1);
// A quiet time that a person can see in the bar is said in words.
constexpr Duration kNotableQuiet = std::chrono::milliseconds(200);

}  // namespace

std::string bar(double share, size_t cells) {
  const auto full = static_cast<size_t>(share * static_cast<double>(cells));
  std::string text;
  for (size_t i = 0; i < cells; ++i) text += i < full ? "█" : "░";
  return text;
}

std::string progress_text(const ImportJournal::Summary& summary, std::optional<uint64_t> total,
                          const ProgressStyle& style) {
  const double seconds = std::max(0.001, std::chrono::duration<double>(summary.elapsed).count());
  const double rate = static_cast<double>(summary.records) / seconds;
  std::string text = with_commas(summary.records);
  if (total) text += " of " + with_commas(*total);
  text += fmt::format("   {}/s", with_commas(static_cast<uint64_t>(rate)));
  if (summary.records > 0 && summary.since_last_ack > kNotableQuiet) {
    text += "   waiting for " + spoken(summary.since_last_ack);
  } else if (total && rate > 0 && summary.records < *total) {
    const double left = static_cast<double>(*total - summary.records) / rate;
    text += "   ETA " + spoken(std::chrono::seconds(static_cast<int64_t>(std::ceil(left))));
  }
  if (!total) return text;
  const double share =
      *total == 0 ? 1 : static_cast<double>(summary.records) / static_cast<double>(*total);
  const std::string percent = fmt::format("{:3.0f}%  ", std::min(1.0, share) * 100);
  if (!style.is_bar) return percent + text;
  const size_t cells = std::clamp<size_t>(style.width > 66 ? style.width - 66 : 10, 10, 30);
  return bar(std::min(1.0, share), cells) + " " + percent + text;
}

Progress::Progress(const ImportJournal& journal, std::optional<uint64_t> total)
    : journal_(journal),
      total_(total),
      style_{.is_bar = is_terminal(stderr), .width = terminal_width(stderr)},
      thread_([this] { run(); }) {}

Progress::~Progress() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Progress::run() {
  std::unique_lock lock(mutex_);
  const Duration period = style_.is_bar ? kBarPeriod : kLinePeriod;
  while (!changed_.wait_for(lock, period, [this] { return is_over_; })) {
    const std::string text = progress_text(journal_.summary(), total_, style_);
    if (style_.is_bar) {
      fmt::print(stderr, "\r  {}\x1b[K", text);
    } else {
      fmt::print(stderr, "{}\n", text);
    }
    std::fflush(stderr);
  }
  if (style_.is_bar) {
    fmt::print(stderr, "\r  {}\x1b[K\n", progress_text(journal_.summary(), total_, style_));
  }
}

}  // namespace holdfast::cli
