#include "server/api/health.h"

#include "server/api/answers.h"
#include "server/api/parameters.h"
#include "server/http/problem.h"
#include "server/metrics.h"

namespace holdfast {
namespace {

using http::Request;
using http::Response;

constexpr Duration kReadyWithin = std::chrono::seconds(1);

}  // namespace

Task<Response> show_alive(Services&, Request request) {
  if (auto fine = refuse_parameters(request); !fine) co_return http::answer(fine.error());
  co_return Response(200, "text/plain", "alive\n");
}

Task<Response> show_ready(Services& services, Request request) {
  if (auto fine = refuse_parameters(request); !fine) co_return http::answer(fine.error());
  if (services.gate == nullptr) co_return http::answer(problem_of_forming());
  Gate::Waiting barrier = services.gate->read_barrier(services.clock->now() + kReadyWithin);
  const Gate::Outcome outcome = co_await barrier;
  if (outcome && services.status->read()->raft.refuses_growth)
    co_return Response(200, "text/plain", "ready, but for growing writes: no room on the disks\n");
  if (outcome) co_return Response(200, "text/plain", "ready\n");
  co_return http::answer({.code = http::Code::kNotReady,
                          .detail =
                              "this node cannot serve a linearizable read now: it knows no leader, "
                              "or none that a majority confirms"});
}

Task<Response> show_metrics(Services& services, Request request) {
  if (auto fine = refuse_parameters(request); !fine) co_return http::answer(fine.error());
  if (services.gate == nullptr) co_return http::answer(problem_of_forming());
  const std::shared_ptr<const NodeStatus> status = services.status->read();
  co_return Response(200, "text/plain; version=0.0.4",
                     services.metrics->render(*status, *services.events, services.clock->now()));
}

}  // namespace holdfast
