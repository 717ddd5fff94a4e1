// Drills in which nothing breaks by itself: who leads, and who belongs to the cluster, is changed.

#include <csignal>

#include <fmt/format.h>

#include "bench/drill/catalogue.h"

namespace holdfast::drill {
namespace {

// A primary gives up a handover that takes longer than an election: then it leads on, and whoever
// asked asks again.
Result<std::string> hand_over(Stage& stage) {
  constexpr int kTries = 5;
  for (int tries = 1;; ++tries) {
    HOLDFAST_ASSIGN(const std::string leader, stage.cluster.leader());
    HOLDFAST_ASSIGN(const std::string target, stage.backup());
    stage.fault(fmt::format("{} is asked to hand over to {}", leader, target));
    KvClient client = stage.cluster.client();
    const WriteOutcome<LeaderAnswer> outcome = client.move_leader(target);
    if (const auto* answer = std::get_if<LeaderAnswer>(&outcome)) return answer->leader;
    const auto* const refusal = std::get_if<Refusal>(&outcome);
    const std::string why =
        refusal != nullptr ? refusal->message : std::get<Unknown>(outcome).message;
    if (tries == kTries) return fail(ErrorCode::kUnavailable, why);
    stage.note(fmt::format("{} has not handed over: {}", leader, why));
    stage.pass(std::chrono::milliseconds(100));
  }
}

Result<> switchover(Stage& stage) {
  for (int i = 0; i < 2; ++i) {
    HOLDFAST_ASSIGN(const std::string leader, hand_over(stage));
    stage.over(fmt::format("{} leads", leader));
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
  const Means asking = {"POST /v1/cluster/leader"};
  return {
      {"switchover", "The primary hands over, twice, on request", asking, asking, 0, switchover},
      {"grow-and-shrink",
       "One node becomes three and five, and three again, under load",
       {"holdfastd --join, and DELETE /v1/cluster/members"},
       std::unexpected("it starts nodes, and begins with a cluster of one"),
       1,
       grow_and_shrink},
      {"replace-dead",
       "A node dies for good, and another takes its place",
       {"SIGKILL, holdfastd --join, and DELETE /v1/cluster/members"},
       std::unexpected("it kills a node for good, and starts another"),
       0,
       replace_dead},
  };
}

}  // namespace holdfast::drill
