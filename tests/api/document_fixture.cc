#include "tests/api/document_fixture.h"

#include <algorithm>

#include <fmt/format.h>

#include "server/api/openapi.h"

namespace holdfast {
namespace {

using nlohmann::json;

bool fits(const std::string& pattern, std::string_view path) {
  const size_t begin = pattern.find('{');
  if (begin == std::string::npos) return pattern == path;
  const std::string_view behind = std::string_view(pattern).substr(pattern.find('}') + 1);
  return path.size() > begin + behind.size() && path.starts_with(pattern.substr(0, begin)) &&
         path.ends_with(behind);
}

const DocumentedCall* call_of(http::Method method, std::string_view path) {
  static const std::vector<DocumentedCall> calls = documented_calls();
  const DocumentedCall* best = nullptr;
  for (const DocumentedCall& call : calls)
    if (call.method == name_of(method) && fits(call.path, path) &&
        (best == nullptr || best->path.size() < call.path.size()))
      best = &call;
  if (best == nullptr && method == http::Method::kHead) return call_of(http::Method::kGet, path);
  return best;
}

// A problem's schema narrows the codes in the last part of its "allOf".
const json& codes_of(const json& response) {
  const json& schema = response.at("content").at("application/problem+json").at("schema");
  return schema.at("allOf").back().at("properties").at("code").at("enum");
}

}  // namespace

const json& api_document() {
  static const json document = json::parse(openapi_text());
  return document;
}

const json* resolved(const json* part) {
  if (!part->contains("$ref")) return part;
  const std::string target = part->at("$ref").get<std::string>().substr(1);
  return &api_document().at(json::json_pointer(target));
}

bool DocumentedCall::takes(std::string_view where, std::string_view name) const {
  return std::ranges::any_of(parameters, [&](const json* parameter) {
    return parameter->at("in") == where && parameter->at("name") == name;
  });
}

std::vector<DocumentedCall> documented_calls() {
  std::vector<DocumentedCall> calls;
  for (const auto& [path, item] : api_document().at("paths").items()) {
    for (const auto& [word, operation] : item.items()) {
      if (word == "parameters") continue;
      DocumentedCall call{.method = word, .path = path, .operation = &operation, .parameters = {}};
      std::ranges::transform(call.method, call.method.begin(),
                             [](char c) { return static_cast<char>(c - 'a' + 'A'); });
      for (const json* owner : {&item, &operation})
        if (owner->contains("parameters"))
          for (const json& parameter : owner->at("parameters"))
            call.parameters.push_back(resolved(&parameter));
      calls.push_back(std::move(call));
    }
  }
  return calls;
}

std::string objection_to(http::Method method, const std::string& target,
                         const http::Response& response) {
  const DocumentedCall* const call =
      call_of(method, std::string_view(target).substr(0, target.find('?')));
  if (call == nullptr) return {};
  const std::string status = std::to_string(response.status);
  const json& responses = call->operation->at("responses");
  const auto listed = responses.find(status);
  if (response.status < 400) {
    if (listed != responses.end()) return {};
    return fmt::format("{} {} does not list {}", call->method, call->path, status);
  }
  const json& documented =
      *resolved(&(listed != responses.end() ? *listed : responses.at("default")));
  const json code = json::parse(response.body).at("code");
  const json& codes = codes_of(documented);
  if (std::ranges::find(codes, code) != codes.end()) return {};
  return fmt::format("{} {} does not list {} {}", call->method, call->path, status,
                     code.get<std::string>());
}

}  // namespace holdfast
