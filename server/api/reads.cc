#include "server/api/reads.h"

#include <fmt/format.h>

#include "server/api/answers.h"
#include "server/api/readers.h"
#include "storage/base/text.h"

namespace holdfast {
namespace {

using http::Problem;

// How old what this node has applied may be at most; nothing: nobody knows.
std::optional<Duration> lag_of(Services& services) {
  const std::optional<Instant> as_of = services.status->read()->raft.current_as_of;
  if (!as_of) return std::nullopt;
  return services.clock->now() - *as_of;
}

std::optional<Problem> check_lag(Services& services, std::optional<Duration> max_lag) {
  if (!max_lag) return std::nullopt;
  const std::optional<Duration> lag = lag_of(services);
  if (lag && *lag <= *max_lag) return std::nullopt;
  return Problem{.code = http::Code::kStale,
                 .detail = fmt::format("this node may be more than {} ms behind; ask another",
                                       *max_lag / std::chrono::milliseconds(1))};
}

Problem compacted(std::string_view what, Revision floor) {
  return {.code = http::Code::kCompacted,
          .detail = fmt::format("{} is older than what is kept, which begins with revision {}",
                                what, floor.value),
          .figures = {{"compact_revision", floor.value}}};
}

// The newest revision that was made by `at_ms`: a search in the feed, on a reader thread.
Task<std::expected<Revision, Problem>> find_revision(Services& services, uint64_t at_ms,
                                                     Revision newest) {
  const uint64_t latest_ms =
      std::max(wall_ms(*services.clock), services.machine->summary().wall_ms);
  if (at_ms > latest_ms) {
    co_return std::unexpected(http::bad_request(
        fmt::format("'at' lies in the future: this node's time is {}", time_text(latest_ms))));
  }
  const Revision floor = services.machine->history_floor();
  Result<std::optional<Revision>> found;
  auto work = [&] { found = revision_at(*services.engine, at_ms, floor, newest); };
  Readers::Waiting waiting = services.readers->run(*services.loop, work);
  const bool done = co_await waiting;
  if (!done) co_return std::unexpected(problem_of_read(raft::RefusalReason::kOverloaded));
  if (!found && services.machine->history_floor() == floor)
    co_return std::unexpected(problem_of(found.error()));
  if (!found || !*found)
    co_return std::unexpected(compacted(time_text(at_ms), services.machine->history_floor()));
  co_return **found;
}

}  // namespace

std::optional<Problem> forgotten(const Services& services, Revision at) {
  const Revision floor = services.machine->history_floor();
  if (at >= floor) return std::nullopt;
  return compacted(fmt::format("revision {}", at.value), floor);
}

Task<std::expected<Revision, Problem>> read_revision(Services& services,
                                                     const ReadOptions& options) {
  if (services.status->read()->raft.awaits_state)
    co_return std::unexpected(problem_of_read(raft::RefusalReason::kFenced));
  Gate& gate = *services.gate;
  if (options.consistency == Consistency::kLinearizable) {
    Gate::Waiting barrier = gate.read_barrier(options.deadline, tracing_of(options.explained));
    const Gate::Outcome outcome = co_await barrier;
    if (!outcome) co_return std::unexpected(problem_of_read(outcome.error().reason));
    if (options.explained)
      options.explained->note_confirmed(barrier.trace(), services.clock->now());
  } else {
    if (auto stale = check_lag(services, options.max_lag)) {
      co_return std::unexpected(std::move(*stale));
    }
    if (options.explained) options.explained->note_local(lag_of(services));
  }
  if (gate.revision() < options.min_revision) {
    const Instant began = options.explained ? services.clock->now() : Instant();
    Gate::Waiting reached = gate.await_revision(options.min_revision, options.deadline);
    const Gate::Outcome outcome = co_await reached;
    if (!outcome) co_return std::unexpected(problem_of_read(outcome.error().reason));
    if (options.explained) options.explained->note_reached(services.clock->now() - began);
  }
  const Revision newest = gate.revision();
  if (options.at_ms) {
    Task<std::expected<Revision, Problem>> finding =
        find_revision(services, *options.at_ms, newest);
    co_return co_await finding;
  }
  if (!options.at) co_return newest;
  if (*options.at > newest) {
    co_return std::unexpected(http::bad_request(fmt::format(
        "revision {} is not there yet: the newest is {}", options.at->value, newest.value)));
  }
  if (auto gone = forgotten(services, *options.at)) co_return std::unexpected(*std::move(gone));
  co_return *options.at;
}

Task<std::expected<std::optional<Row>, Problem>> read_row(Services& services,
                                                          const std::string& key, Revision at,
                                                          Explain* explain) {
  const Instant began = explain != nullptr ? services.clock->now() : Instant();
  Result<std::optional<Row>> row = services.engine->get(key, at, ReadTier::kMemory);
  Explain::Source source = Explain::Source::kMemory;
  if (!row && row.error().code == ErrorCode::kIncomplete) {
    auto work = [&] { row = services.engine->get(key, at, ReadTier::kDisk); };
    Readers::Waiting waiting = services.readers->run(*services.loop, work);
    const bool done = co_await waiting;
    if (!done) co_return std::unexpected(problem_of_read(raft::RefusalReason::kOverloaded));
    source = Explain::Source::kReader;
  }
  if (explain != nullptr) explain->note_read(source, services.clock->now() - began);
  if (!row) co_return std::unexpected(problem_of(row.error()));
  co_return std::move(*row);
}

}  // namespace holdfast
