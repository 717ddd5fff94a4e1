#include "client/cli/input.h"

#include <fstream>
#include <iostream>
#include <iterator>

#include <fmt/format.h>

namespace holdfast::cli {
namespace {

Result<std::string> read_all(std::istream& in, const std::string& name) {
  std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad()) return fail(ErrorCode::kIo, fmt::format("'{}' cannot be read", name));
  return bytes;
}

}  // namespace

Result<std::string> read_input(const std::string& path) {
  if (path == "-") return read_all(std::cin, "standard input");
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(ErrorCode::kIo, fmt::format("'{}' cannot be opened", path));
  return read_all(in, path);
}

}  // namespace holdfast::cli
