#include "bench/drill/log_tail.h"

#include <algorithm>
#include <fstream>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace holdfast::drill {
namespace {

constexpr size_t kBlock = 4096;               // each write of the log begins on one (storage/log)
constexpr size_t kRemembered = 256 * kBlock;  // many times what is written in the meantime

std::string bytes_from(const std::filesystem::path& file, uint64_t begin, size_t most) {
  std::ifstream in(file, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(begin));
  std::string bytes(most, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(most));
  bytes.resize(static_cast<size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  return bytes;
}

std::filesystem::path newest_segment(const std::string& directory) {
  std::filesystem::path newest;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error))
    if (entry.path().filename().string().starts_with("segment-") && entry.path() > newest)
      newest = entry.path();
  return newest;
}

}  // namespace

uint64_t used_bytes(const std::filesystem::path& file) {
  const std::string blank(kRemembered, '\0');
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(file, error);
  // Most of it is blank, and whole pieces are compared fast.
  for (uint64_t end = error ? 0 : size; end > 0;) {
    const uint64_t begin = (end - 1) / kRemembered * kRemembered;
    const std::string piece = bytes_from(file, begin, end - begin);
    if (std::string_view(blank).substr(0, piece.size()) != piece)
      return begin + piece.find_last_not_of('\0') + 1;
    end = begin;
  }
  return 0;
}

Result<> check_loss(size_t least) {
  if (least > 0) return {};
  // Who has all of it brings it back to the others.
  return fail(
      ErrorCode::kUnavailable,
      "on a node of the majority nothing was written and not synced that the power cut could "
      "take, so the drill has shown nothing: run it again, with another --seed or more "
      "--clients");
}

Result<LogTail> LogTail::find(const std::string& directory) {
  LogTail tail;
  tail.directory_ = directory;
  tail.segment_ = newest_segment(directory);
  if (tail.segment_.empty())
    return fail(ErrorCode::kIo, fmt::format("no log is found in '{}'", directory));
  tail.begin_ = used_bytes(tail.segment_) / kBlock * kBlock;
  return tail;
}

void LogTail::remember() {
  remembered_ = bytes_from(segment_, begin_, kRemembered);
  const std::string_view last =
      std::string_view(remembered_)
          .substr(remembered_.size() - std::min(remembered_.size(), kBlock));
  if (last.find_first_not_of('\0') != std::string_view::npos) remembered_.clear();
}

bool LogTail::is_written() const {
  return !remembered_.empty() && bytes_from(segment_, begin_, kRemembered) != remembered_;
}

Result<size_t> LogTail::take_back(Random& random) {
  // A segment that is not the newest is durable: the next one proves it.
  if (remembered_.empty() || newest_segment(directory_) != segment_) return 0;
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(segment_, error);
  if (error || size < begin_)
    return fail(ErrorCode::kIo, fmt::format("'{}' cannot be read", segment_.string()));
  const std::string now = bytes_from(segment_, begin_, size - begin_);
  remembered_.resize(now.size());
  std::vector<size_t> changed;
  for (size_t at = 0; at < now.size(); at += kBlock)
    if (now.compare(at, kBlock, remembered_, at, kBlock) != 0) changed.push_back(at);
  if (changed.empty()) return 0;
  changed.erase(changed.begin(),
                changed.begin() + static_cast<ptrdiff_t>(random.below(changed.size())));
  std::fstream file(segment_, std::ios::binary | std::ios::in | std::ios::out);
  for (const size_t at : changed) {
    file.seekp(static_cast<std::streamoff>(begin_ + at));
    file.write(&remembered_[at],
               static_cast<std::streamsize>(std::min(kBlock, remembered_.size() - at)));
  }
  file.close();
  if (!file) return fail(ErrorCode::kIo, fmt::format("'{}' cannot be changed", segment_.string()));
  return changed.size();
}

}  // namespace holdfast::drill
