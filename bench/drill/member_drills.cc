// Drills in which nothing breaks by itself: who leads, and who belongs to the cluster, is changed.

#include <csignal>

#include <fmt/format.h>

#include "bench/drill/catalogue.h"

namespace holdfast::drill {
namespace {

Result<> switchover(Stage& stage) {
  for (int i = 0; i < 2; ++i) {
    HOLDFAST_ASSIGN(const std::string leader, stage.cluster.leader());
    HOLDFAST_ASSIGN(const std::string target, stage.backup());
    stage.fault(fmt::format("{} is asked to hand over to {}", leader, target));
    KvClient client = stage.cluster.client();
    const WriteOutcome<LeaderAnswer> outcome = client.move_leader(target);
    if (const auto* refusal = std::get_if<Refusal>(&outcome))
      return fail(ErrorCode::kUnavailable, refusal->message);
    if (const auto* unknown = std::get_if<Unknown>(&outcome))
      return fail(ErrorCode::kUnavailable, unknown->message);
    stage.over(fmt::format("{} leads", std::get<LeaderAnswer>(outcome).leader));
    stage.wait(0.4);
  }
  return {};
}

Result<> join(Stage& stage, const std::string& name) {
  stage.fault(fmt::format("{} is started with --join", name));
  HOLDFAST_TRY(stage.cluster.join(name));
  stage.watch.add(name, stage.cluster.node(name).endpoint);
  stage.over(fmt::format("{} has caught up and votes", name));
  return {};
}

Result<> take_out(Stage& stage, const std::string& name) {
  stage.fault(fmt::format("{} is removed", name));
  HOLDFAST_TRY(stage.cluster.remove(name));
  stage.over(fmt::format("{} has left", name));
  return {};
}

Result<> grow_and_shrink(Stage& stage) {
  for (const char* const name : {"n2", "n3", "n4", "n5"}) {
    HOLDFAST_TRY(join(stage, name));
    stage.wait(0.1);
  }
  for (const char* const name : {"n5", "n4"}) {
    HOLDFAST_TRY(take_out(stage, name));
    stage.wait(0.1);
  }
  return {};
}

Result<> replace_dead(Stage& stage) {
  HOLDFAST_ASSIGN(const std::string dead, stage.backup());
  stage.fault(fmt::format("SIGKILL to {}, which never comes back", dead));
  stage.cluster.end(dead, SIGKILL);
  stage.wait(0.3);
  // In this order the cluster never has fewer healthy voters.
  HOLDFAST_TRY(join(stage, fmt::format("n{}", stage.cluster.nodes().size() + 1)));
  HOLDFAST_TRY(take_out(stage, dead));
  stage.wait(0.3);
  return {};
}

}  // namespace

std::vector<Drill> member_drills() {
  return {
      {"switchover", "The primary hands over, twice, on request", "POST /v1/cluster/leader",
       Needs::kApi, 0, switchover},
      {"grow-and-shrink", "One node becomes three and five, and three again, under load",
       "holdfastd --join, and DELETE /v1/cluster/members", Needs::kProcesses, 1, grow_and_shrink},
      {"replace-dead", "A node dies for good, and another takes its place",
       "SIGKILL, holdfastd --join, and DELETE /v1/cluster/members", Needs::kProcesses, 0,
       replace_dead},
  };
}

}  // namespace holdfast::drill
