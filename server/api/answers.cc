#include "server/api/answers.h"

#include <fmt/format.h>

#include "server/metrics.h"
#include "storage/base/log.h"
#include "storage/kv/command.h"

namespace holdfast {
namespace {

void stamp(const NodeStatus& status, Revision revision, http::Response& response) {
  response.add_header("Holdfast-Node", status.name);
  const std::string leader = status.leader_url();
  if (!leader.empty()) response.add_header("Holdfast-Leader", leader);
  response.add_header("Holdfast-Revision", fmt::format_int(revision.value).str());
  response.add_header("Holdfast-Term", fmt::format_int(status.raft.term.value).str());
}

}  // namespace

using http::Code;
using http::Problem;

constexpr std::string_view kFenced =
    "this node takes no requests now: its disk has stopped answering, or its state is being made "
    "anew (GET /v1/cluster says which); nothing was changed, try another node";

Problem problem_of_change(const raft::Refusal& refusal) {
  switch (refusal.reason) {
    case raft::RefusalReason::kNoLeader:
      return {.code = Code::kNoLeader,
              .detail = "the cluster has no leader now; nothing was changed, try again"};
    case raft::RefusalReason::kOverloaded:
      return {.code = Code::kOverloaded,
              .detail = "too many changes wait already; nothing was changed, try again later"};
    case raft::RefusalReason::kRejected:
      return {.code = Code::kConflict, .detail = refusal.detail};
    case raft::RefusalReason::kFenced:
      return {.code = Code::kNotReady, .detail = std::string(kFenced)};
    case raft::RefusalReason::kOvertaken:
      return {.code = Code::kNoLeader,
              .detail =
                  "the change was lost on its way to a leader that is gone, and later ones were "
                  "not; nothing was changed, try again"};
    case raft::RefusalReason::kTimeout:
    case raft::RefusalReason::kUnknown:
      break;
  }
  return {.code = Code::kOutcomeUnknown,
          .detail =
              "the change was not confirmed in time; it may or may not happen, so look "
              "before you repeat it, or repeat it with a condition"};
}

Problem problem_of_read(raft::RefusalReason reason) {
  switch (reason) {
    case raft::RefusalReason::kNoLeader:
      return {.code = Code::kNoLeader,
              .detail = "the cluster has no leader now; try again, or read with consistency=local"};
    case raft::RefusalReason::kOverloaded:
      return {.code = Code::kOverloaded, .detail = "too many reads wait already; try again later"};
    case raft::RefusalReason::kFenced:
      return {.code = Code::kNotReady, .detail = std::string(kFenced)};
    case raft::RefusalReason::kRejected:
    case raft::RefusalReason::kOvertaken:
    case raft::RefusalReason::kTimeout:
    case raft::RefusalReason::kUnknown:
      break;
  }
  return {.code = Code::kTimeout,
          .detail =
              "the read was not confirmed in time; try again, or read with "
              "consistency=local",
          .outcome = http::Outcome::kNotApplied};
}

Problem problem_of_hearing(const raft::Refusal& refusal) {
  Problem problem = problem_of_change(refusal);
  if (problem.code != Code::kOutcomeUnknown) return problem;
  return {.code = Code::kTimeout,
          .detail =
              "this node could not hear in time of what was done before; nothing was changed, try "
              "again",
          .outcome = http::Outcome::kNotApplied};
}

Problem problem_of(const Error& error) {
  log_error("a read failed: {}", error.message);
  return {.code = Code::kInternal,
          .detail =
              "the storage of this node failed to read; its log says how. Other nodes may "
              "serve this",
          .outcome = http::Outcome::kNotApplied};
}

std::expected<void, Problem> check_key(std::string_view key, std::string_view what) {
  if (key.empty())
    return std::unexpected(
        http::bad_request(fmt::format("{} is empty: give 1 byte or more", what)));
  if (key.size() <= kKeyBytesMax) return {};
  return std::unexpected(Problem{
      .code = Code::kKeyTooLarge,
      .detail = fmt::format("{} has {} bytes, the limit is {}", what, key.size(), kKeyBytesMax),
      .figures = {{"limit", kKeyBytesMax}}});
}

http::Problem problem_of_forming() {
  return {.code = http::Code::kNotReady,
          .detail =
              "this node belongs to no cluster yet: it waits for all members of --initial-cluster, "
              "or for the cluster that --join names"};
}

std::string etag_of(Revision mod_revision) {
  return fmt::format("\"{}\"", mod_revision.value);
}

void stamp(const Services& services, http::Response& response) {
  if (services.gate == nullptr) return;
  const std::shared_ptr<const NodeStatus> status = services.status->read();
  stamp(*status, services.gate->revision(), response);
}

http::Response finish(Services& services, Call call, Instant began, Outcome outcome) {
  const std::shared_ptr<const NodeStatus> status = services.status->read();
  const Revision revision = outcome ? outcome->revision : services.gate->revision();
  http::Response response = outcome ? std::move(outcome->response) : http::answer(outcome.error());
  stamp(*status, revision, response);
  if (outcome && outcome->explained) outcome->explained->add_to(response);
  services.metrics->count(call, response.status, services.clock->now() - began);
  return response;
}

}  // namespace holdfast
