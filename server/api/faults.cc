#include "server/api/faults.h"

#include <optional>

#include <nlohmann/json.hpp>

#include "server/api/changes.h"
#include "server/api/fault_request.h"
#include "server/api/json_body.h"
#include "server/api/parameters.h"
#include "server/faults.h"
#include "storage/base/text.h"

namespace holdfast {
namespace {

using Json = nlohmann::ordered_json;
using http::Problem;

// What is the same for all three.
std::expected<Faults*, Problem> faults_of(const Services& services, const http::Request& request) {
  if (services.faults == nullptr)
    return std::unexpected(Problem{.code = http::Code::kNotFound,
                                   .detail =
                                       "faults can be made only at a node that was started with "
                                       "--enable-faults, and this one was not"});
  HOLDFAST_TRY(refuse_once(request));
  HOLDFAST_TRY(deadline_of(request, services.clock->now()));
  return services.faults;
}

Outcome answer_faults(const Services& services, const Faults& faults) {
  const std::optional<WallTime> since = faults.since();
  const std::string warning = faults.warning();
  const Json body = {{"faults", Json::parse(json_of(faults.now()))},
                     {"since", since ? Json(time_text(*since)) : Json()},
                     {"warning", warning.empty() ? Json() : Json(warning)}};
  return Answered{http::Response(200, "application/json", body.dump() + "\n"),
                  services.gate->revision()};
}

}  // namespace

Task<Outcome> show_faults(Services& services, http::Request request) {
  const auto faults = faults_of(services, request);
  if (!faults) co_return std::unexpected(faults.error());
  co_return answer_faults(services, **faults);
}

Task<Outcome> set_faults(Services& services, http::Request request) {
  const auto faults = faults_of(services, request);
  if (!faults) co_return std::unexpected(faults.error());
  const auto body = parse_few_fields(request.body);
  if (!body) co_return std::unexpected(body.error());
  auto next = faults_in(*body, *services.status->read());
  if (!next) co_return std::unexpected(std::move(next).error());
  (*faults)->set(*std::move(next));
  co_return answer_faults(services, **faults);
}

Task<Outcome> clear_faults(Services& services, http::Request request) {
  const auto faults = faults_of(services, request);
  if (!faults) co_return std::unexpected(faults.error());
  const auto bare = refuse_body(request);
  if (!bare) co_return std::unexpected(bare.error());
  (*faults)->set({});
  co_return answer_faults(services, **faults);
}

}  // namespace holdfast
