#pragma once

// `?explain=true`: which stages a request passed, how long each took, and how a read was served.
// There is none for a request that does not ask, and nothing is measured then.

#include <array>
#include <expected>
#include <memory>
#include <optional>
#include <string>

#include "replication/raft/trace.h"
#include "server/http/problem.h"
#include "server/http/query.h"
#include "storage/base/clock.h"

namespace holdfast {

class Explain {
 public:
  explicit Explain(Instant began) : began_(began) {}

  // A change is done. No trace: it took a way that this node did not see.
  void note_change(const std::optional<raft::Trace>& trace, Instant now);
  // A linearizable read is confirmed, and what it must see is applied here.
  void note_confirmed(const std::optional<raft::Trace>& trace, Instant now);
  // A local one is as old as that; nothing: nobody knows.
  void note_local(std::optional<Duration> staleness);
  // It waited for a revision that it asked for.
  void note_reached(Duration took) { add(kApply, took); }

  enum class Source : uint8_t { kMemory, kReader };
  void note_read(Source source, Duration took);

  // Server-Timing, and of a read Holdfast-Read.
  void add_to(http::Response& response) const;

 private:
  enum Stage : uint8_t { kQueue, kLog, kQuorum, kApply, kRead, kStages };
  void add(Stage stage, Duration took);

  const Instant began_;
  std::array<std::optional<Duration>, kStages> took_{};
  std::string read_;  // Holdfast-Read, up to what served it
  std::string staleness_;
  std::optional<Source> source_;
};

// Null: it is not asked for.
using Explained = std::shared_ptr<Explain>;
std::expected<Explained, http::Problem> take_explain(http::Query& query, Instant now);

inline raft::Tracing tracing_of(const Explained& explained) {
  return explained ? raft::Tracing::kTraced : raft::Tracing::kNone;
}

}  // namespace holdfast
