#pragma once

// From method and path to a handler. Filled at start, then only read: by any thread.

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http/problem.h"
#include "server/http/request.h"
#include "server/http/task.h"

namespace holdfast {

// What handlers work with on their io thread. HTTP passes it on and never looks inside.
struct Services;

}  // namespace holdfast

namespace holdfast::http {

// Requests of one connection take effect in order: reads may run beside reads and writes beside
// writes (they are proposed in order), but neither starts before the other kind has ended.
enum class Access : uint8_t { kRead, kWrite };

using Handler = Task<Response> (*)(Services& services, Request request);

// kStreamed: the handler starts when the head is there, and takes the body while it comes.
enum class BodyForm : uint8_t { kWhole, kStreamed };

struct Route {
  Method method;
  Access access;
  Handler handler;
  BodyForm body = BodyForm::kWhole;
};

class Router {
 public:
  // `pattern` is a plain path, or ends in one parameter that takes all the rest, slashes too:
  // "/v1/kv/{key}". A GET route answers HEAD as well.
  void add(Method method, std::string_view pattern, Access access, Handler handler,
           BodyForm body = BodyForm::kWhole);

  // What to add to answers that no handler made: to a request that could not be read, or that no
  // route takes. Nothing unless set.
  using Stamp = void (*)(const Services& services, Response& response);
  void set_stamp(Stamp value) { stamp_ = value; }
  void mark(const Services& services, Response& response) const {
    if (stamp_ != nullptr) stamp_(services, response);
  }

  // All that was added, as method and pattern up to its parameter, for who compares it with what
  // is written of it.
  std::vector<std::pair<Method, std::string>> patterns() const;

  // Finds the route by the raw path and decodes the parameter into `request.parameter`. A plain
  // path goes before a parameter, a longer path before a shorter. Otherwise: not_found,
  // method_not_allowed (with Allow), or bad_request for broken percent-encoding.
  std::expected<const Route*, Response> match(Request& request) const;

 private:
  struct Resource {
    std::string path;  // up to the parameter
    bool has_parameter;
    std::vector<Route> routes;
  };
  const Resource* find(std::string_view path) const;

  std::vector<Resource> resources_;
  Stamp stamp_ = nullptr;
};

}  // namespace holdfast::http
