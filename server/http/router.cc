#include "server/http/router.h"

#include <algorithm>

#include <fmt/format.h>

#include "server/http/query.h"
#include "storage/base/check.h"

namespace holdfast::http {
namespace {

std::string allowed_methods(const std::vector<Route>& routes) {
  std::string allow;
  for (const Route& route : routes) {
    if (!allow.empty()) allow += ", ";
    allow += name_of(route.method);
    if (route.method == Method::kGet) allow += ", HEAD";
  }
  return allow;
}

}  // namespace

void Router::add(Method method, std::string_view pattern, Access access, Handler handler,
                 BodyForm body) {
  const size_t brace = pattern.find('{');
  const bool has_parameter = brace != std::string_view::npos;
  CHECK(!has_parameter || (brace > 0 && pattern[brace - 1] == '/' && pattern.back() == '}'),
        "'{}': a parameter is the last part of a pattern", pattern);
  const std::string_view path = pattern.substr(0, brace);
  const auto found = std::find_if(resources_.begin(), resources_.end(), [&](const Resource& r) {
    return r.path == path && r.has_parameter == has_parameter;
  });
  if (found == resources_.end()) {
    resources_.push_back({std::string(path), has_parameter, {{method, access, handler, body}}});
  } else {
    found->routes.push_back({method, access, handler, body});
  }
}

std::vector<std::pair<Method, std::string>> Router::patterns() const {
  std::vector<std::pair<Method, std::string>> all;
  for (const Resource& resource : resources_)
    for (const Route& route : resource.routes)
      all.emplace_back(route.method, resource.path + (resource.has_parameter ? "{" : ""));
  return all;
}

const Router::Resource* Router::find(std::string_view path) const {
  const Resource* best = nullptr;
  for (const Resource& resource : resources_) {
    if (!resource.has_parameter && path == resource.path) return &resource;
    if (resource.has_parameter && path.starts_with(resource.path) &&
        (best == nullptr || best->path.size() < resource.path.size())) {
      best = &resource;
    }
  }
  return best;
}

std::expected<const Route*, Response> Router::match(Request& request) const {
  const Resource* resource = find(request.path());
  if (resource == nullptr) {
    return std::unexpected(
        answer({.code = Code::kNotFound,
                .detail = fmt::format("there is nothing at '{}'", request.path())}));
  }
  const Method wanted = request.method() == Method::kHead ? Method::kGet : request.method();
  const auto route = std::find_if(resource->routes.begin(), resource->routes.end(),
                                  [&](const Route& r) { return r.method == wanted; });
  if (route == resource->routes.end()) {
    const std::string allow = allowed_methods(resource->routes);
    Response response = answer({.code = Code::kMethodNotAllowed,
                                .detail = fmt::format("'{}' takes {}", request.path(), allow)});
    response.add_header("Allow", allow);
    return std::unexpected(std::move(response));
  }
  if (resource->has_parameter) {
    auto parameter = percent_decode(request.path().substr(resource->path.size()));
    if (!parameter) return std::unexpected(answer(bad_request(parameter.error().message)));
    request.parameter = std::move(*parameter);
  }
  return &*route;
}

}  // namespace holdfast::http
