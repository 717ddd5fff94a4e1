#include "client/cli/input.h"

#include <cerrno>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

namespace holdfast::cli {
namespace {

constexpr size_t kBlockBytes = size_t{256} << 10;

std::unexpected<Error> cannot_be(std::string_view name, std::string_view act) {
  return fail(ErrorCode::kIo, fmt::format("{} cannot be {}: {}", name, act,
                                          std::generic_category().message(errno)));
}

}  // namespace

// By the system's own calls: a stream of the library tells a failed read as the end of the file.
Result<Input> Input::open(const std::string& path) {
  const bool is_standard = path == "-";
  std::string name = is_standard ? "standard input" : fmt::format("'{}'", path);
  Descriptor descriptor(is_standard ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                    : ::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!descriptor.is_open()) return cannot_be(name, "opened");
  return Input(std::move(name), std::move(descriptor));
}

Input::Input(std::string name, Descriptor descriptor)
    : name_(std::move(name)),
      descriptor_(std::move(descriptor)),
      begin_(::lseek(descriptor_.number(), 0, SEEK_CUR)),
      buffer_(kBlockBytes, '\0') {}

Result<std::string_view> Input::next_block() {
  if (at_ == filled_) {
    ssize_t count = 0;
    do count = ::read(descriptor_.number(), buffer_.data(), buffer_.size());
    while (count < 0 && errno == EINTR);
    if (count < 0) return cannot_be(name_, "read");
    at_ = 0;
    filled_ = static_cast<size_t>(count);
  }
  const std::string_view all = std::string_view(buffer_).substr(0, filled_);
  return all.substr(std::exchange(at_, filled_));
}

Result<bool> Input::next_line(std::string& line) {
  line.clear();
  for (bool has_begun = false;; has_begun = true) {
    HOLDFAST_ASSIGN(const std::string_view block, next_block());
    if (block.empty()) return has_begun;
    const size_t end = block.find('\n');
    line.append(block.substr(0, end));
    if (end == std::string_view::npos) continue;
    at_ -= block.size() - end - 1;
    return true;
  }
}

Result<> Input::rewind() {
  at_ = filled_ = 0;
  if (::lseek(descriptor_.number(), begin_, SEEK_SET) < 0) return cannot_be(name_, "read again");
  return {};
}

Result<std::string> read_input(const std::string& path) {
  HOLDFAST_ASSIGN(Input input, Input::open(path));
  std::string bytes;
  while (true) {
    HOLDFAST_ASSIGN(const std::string_view block, input.next_block());
    if (block.empty()) return bytes;
    bytes.append(block);
  }
}

}  // namespace holdfast::cli
