#include "server/http/request.h"

#include <algorithm>
#include <array>

#include "storage/base/check.h"

namespace holdfast::http {
namespace {

constexpr std::array<std::string_view, 7> kMethodNames = {"GET",   "HEAD",   "PUT",  "POST",
                                                          "PATCH", "DELETE", "OTHER"};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

}  // namespace

Method method_of(std::string_view token) {
  for (size_t i = 0; i < static_cast<size_t>(Method::kOther); ++i) {
    if (kMethodNames.at(i) == token) return static_cast<Method>(i);
  }
  return Method::kOther;
}

std::string_view name_of(Method method) {
  return kMethodNames.at(static_cast<size_t>(method));
}

bool same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

Request::Request(Method method, std::string_view target) {
  set_line(method, target);
}

void Request::set_line(Method method, std::string_view target) {
  CHECK(text_.empty(), "the request line comes first and once");
  method_ = method;
  text_.append(target);
  target_size_ = static_cast<uint32_t>(target.size());
  // The absolute form is what a proxy sends (RFC 9112, section 3.2.2).
  constexpr std::string_view kScheme = "http://";
  size_t begin = 0;
  if (target.size() >= kScheme.size() && same_word(target.substr(0, kScheme.size()), kScheme)) {
    begin = std::min(target.find_first_of("/?", kScheme.size()), target.size());
  }
  path_begin_ = static_cast<uint32_t>(begin);
  path_end_ = static_cast<uint32_t>(std::min(target.find('?', begin), target.size()));
}

void Request::add_header(std::string_view name, std::string_view value) {
  Field field{};
  field.name = static_cast<uint32_t>(text_.size());
  text_.append(name);
  field.value = static_cast<uint32_t>(text_.size());
  text_.append(value);
  field.end = static_cast<uint32_t>(text_.size());
  fields_.push_back(field);
}

std::string_view Request::path() const {
  const std::string_view path = target().substr(path_begin_, path_end_ - path_begin_);
  return path.empty() ? "/" : path;
}

std::string_view Request::query() const {
  return path_end_ < target_size_ ? target().substr(path_end_ + 1) : std::string_view();
}

std::string_view Request::name_of(const Field& field) const {
  return std::string_view(text_).substr(field.name, field.value - field.name);
}

std::string_view Request::value_of(const Field& field) const {
  return std::string_view(text_).substr(field.value, field.end - field.value);
}

std::optional<std::string_view> Request::header(std::string_view name) const {
  for (const Field& field : fields_) {
    if (same_word(name_of(field), name)) return value_of(field);
  }
  return std::nullopt;
}

std::vector<std::string_view> Request::headers(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const Field& field : fields_) {
    if (same_word(name_of(field), name)) values.push_back(value_of(field));
  }
  return values;
}

void Response::add_header(std::string_view name, std::string_view value) {
  header_lines_.append(name).append(": ");
  const size_t begin = header_lines_.size();
  header_lines_.append(value);
  for (size_t i = begin; i < header_lines_.size(); ++i) {
    char& c = header_lines_[i];
    if ((c >= 0 && c < ' ') || c == '\x7f') c = ' ';
  }
  header_lines_.append("\r\n");
}

std::optional<std::string_view> Response::header(std::string_view name) const {
  std::string_view rest = header_lines_;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find("\r\n"));
    rest.remove_prefix(line.size() + 2);
    const size_t colon = line.find(": ");
    if (same_word(line.substr(0, colon), name)) return line.substr(colon + 2);
  }
  return std::nullopt;
}

}  // namespace holdfast::http
