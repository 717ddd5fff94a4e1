#include "storage/base/events.h"

#include <algorithm>
#include <iterator>

namespace holdfast {
namespace {

constexpr std::array<std::string_view, kEventKinds> kKindNames = {
    "process", "election", "role",       "handover", "membership", "contact", "snapshot",
    "backup",  "fence",    "quarantine", "rebuild",  "agreement",  "growth",  "room"};

// No character of UTF-8 is cut in two.
void shorten(std::string& text) {
  if (text.size() <= Events::kTextBytesMax) return;
  constexpr std::string_view kMore = "…";
  size_t end = Events::kTextBytesMax - kMore.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
  text.resize(end);
  text.append(kMore);
}

}  // namespace

std::string_view name_of(EventKind kind) {
  return kKindNames.at(static_cast<size_t>(kind));
}

void log_event(const Event& event) {
  log_line(event.level, event.text);
}

void Events::tell(Event event) {
  log_event(event);
  shorten(event.text);
  for (auto& [name, value] : event.fields)
    if (std::string* const text = std::get_if<std::string>(&value)) shorten(*text);
  counts_.at(static_cast<size_t>(event.kind)).fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  const uint64_t number = newest_.load(std::memory_order_relaxed) + 1;
  kept_.push_back(
      {number, wall_ms(clock_), {term_.load(std::memory_order_relaxed)}, std::move(event)});
  if (kept_.size() > kKeptMax) kept_.pop_front();
  newest_.store(number, std::memory_order_release);
}

uint64_t Events::oldest() const {
  const std::lock_guard lock(mutex_);
  return kept_.empty() ? newest() + 1 : kept_.front().number;
}

std::vector<Events::Kept> Events::behind(uint64_t number, size_t most) const {
  const std::lock_guard lock(mutex_);
  const auto first = std::ranges::upper_bound(kept_, number, {}, &Kept::number);
  const auto count =
      std::min<ptrdiff_t>(std::distance(first, kept_.end()), static_cast<ptrdiff_t>(most));
  return {first, first + count};
}

uint64_t Events::count(EventKind kind) const {
  return counts_.at(static_cast<size_t>(kind)).load(std::memory_order_relaxed);
}

}  // namespace holdfast
