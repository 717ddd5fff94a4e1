#include "storage/kv/state_directory.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <utility>

#include <fmt/core.h>

#include "storage/fs/posix.h"

namespace holdfast {
namespace {

std::string parent_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent;
}

}  // namespace

Result<StateDirectory> StateDirectory::open(std::string name) {
  StateDirectory directory(std::move(name));
  HOLDFAST_ASSIGN(const std::vector<uint64_t> numbers, directory.numbers());
  if (!numbers.empty()) directory.number_ = std::ranges::max(numbers);
  return directory;
}

std::string StateDirectory::path_of(uint64_t number) const {
  return number == 0 ? name_ : fmt::format("{}.{}", name_, number);
}

Result<std::vector<uint64_t>> StateDirectory::numbers() const {
  HOLDFAST_ASSIGN(const std::vector<std::string> names, PosixFileSystem().list(parent_of(name_)));
  const std::string prefix = std::filesystem::path(name_).filename().string() + ".";
  std::vector<uint64_t> found;
  for (const std::string& name : names) {
    if (!name.starts_with(prefix)) continue;
    const std::string_view digits = std::string_view(name).substr(prefix.size());
    uint64_t number = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (number > 0 && digits == std::to_string(number)) found.push_back(number);
  }
  return found;
}

Result<std::string> StateDirectory::stage(const std::string& source) {
  PosixFileSystem fs;
  HOLDFAST_TRY(remove_tree(staged()));  // of an install that failed
  HOLDFAST_TRY(fs.rename(source, staged()));
  return staged();
}

Result<> StateDirectory::activate() {
  PosixFileSystem fs;
  HOLDFAST_TRY(fs.rename(staged(), path_of(number_ + 1)));
  HOLDFAST_TRY(fs.sync_directory(parent_of(name_)));
  ++number_;
  return {};
}

Result<> StateDirectory::remove_others() const {
  HOLDFAST_TRY(remove_tree(staged()));
  HOLDFAST_ASSIGN(const std::vector<uint64_t> numbers, this->numbers());
  for (const uint64_t number : numbers)
    if (number < number_) HOLDFAST_TRY(remove_tree(path_of(number)));
  if (number_ > 0) HOLDFAST_TRY(remove_tree(name_));
  return {};
}

Result<> remove_tree(const std::string& path) {
  std::error_code code;
  std::filesystem::remove_all(path, code);
  if (code) return fail(ErrorCode::kIo, fmt::format("remove {}: {}", path, code.message()));
  return {};
}

}  // namespace holdfast
