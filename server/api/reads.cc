#include "server/api/reads.h"

#include <fmt/format.h>

#include "server/api/answers.h"
#include "server/api/readers.h"

namespace holdfast {
namespace {

using http::Problem;

std::optional<Problem> check_lag(Services& services, Duration max_lag) {
  const std::shared_ptr<const NodeStatus> status = services.status->read();
  const std::optional<Instant>& as_of = status->raft.current_as_of;
  if (as_of && services.clock->now() - *as_of <= max_lag) return std::nullopt;
  return Problem{.code = http::Code::kStale,
                 .detail = fmt::format("this node may be more than {} ms behind; ask another",
                                       max_lag / std::chrono::milliseconds(1))};
}

}  // namespace

Task<std::expected<Revision, Problem>> read_revision(Services& services,
                                                     const ReadOptions& options) {
  if (services.status->read()->raft.awaits_state)
    co_return std::unexpected(problem_of_read(raft::RefusalReason::kFenced));
  Gate& gate = *services.gate;
  if (options.consistency == Consistency::kLinearizable) {
    Gate::Waiting barrier = gate.read_barrier(options.deadline);
    const Gate::Outcome outcome = co_await barrier;
    if (!outcome) co_return std::unexpected(problem_of_read(outcome.error().reason));
  } else if (options.max_lag) {
    if (auto stale = check_lag(services, *options.max_lag)) {
      co_return std::unexpected(std::move(*stale));
    }
  }
  if (gate.revision() < options.min_revision) {
    Gate::Waiting reached = gate.await_revision(options.min_revision, options.deadline);
    const Gate::Outcome outcome = co_await reached;
    if (!outcome) co_return std::unexpected(problem_of_read(outcome.error().reason));
  }
  const Revision newest = gate.revision();
  if (!options.at) co_return newest;
  if (*options.at > newest) {
    co_return std::unexpected(http::bad_request(fmt::format(
        "revision {} is not there yet: the newest is {}", options.at->value, newest.value)));
  }
  co_return *options.at;
}

Task<std::expected<std::optional<Row>, Problem>> read_row(Services& services,
                                                          const std::string& key, Revision at) {
  Result<std::optional<Row>> row = services.engine->get(key, at, ReadTier::kMemory);
  if (!row && row.error().code == ErrorCode::kIncomplete) {
    auto work = [&] { row = services.engine->get(key, at, ReadTier::kDisk); };
    Readers::Waiting waiting = services.readers->run(*services.loop, work);
    const bool done = co_await waiting;
    if (!done) co_return std::unexpected(problem_of_read(raft::RefusalReason::kOverloaded));
  }
  if (!row) co_return std::unexpected(problem_of(row.error()));
  co_return std::move(*row);
}

}  // namespace holdfast
