// Drills in which links between nodes fail. Clients reach every node all the while: what a node
// that is cut off tells them is the point.

#include <fmt/format.h>

#include "bench/drill/catalogue.h"

namespace holdfast::drill {
namespace {

const Means kCutHere = {
    "a TCP proxy in this program between the nodes: silence, no connection is closed"};
const Means kCutThere = {"PUT /v1/faults at the nodes: what they send is thrown away", true};

enum class Side { kBoth, kWhatItSays, kWhatItHears };

Result<> cut_off(Stage& stage, Side side, const char* how) {
  HOLDFAST_ASSIGN(const std::string leader, stage.cluster.leader());
  std::vector<Pair> pairs = stage.pairs_with(leader);
  if (side == Side::kWhatItSays)
    std::erase_if(pairs, [&](const Pair& pair) { return pair.from != leader; });
  if (side == Side::kWhatItHears)
    std::erase_if(pairs, [&](const Pair& pair) { return pair.to != leader; });
  stage.fault(fmt::format("{}, the primary, {}", leader, how));
  HOLDFAST_TRY(stage.cluster.set_links(pairs, {.is_cut = true}));
  stage.wait(0.8);
  HOLDFAST_TRY(stage.cluster.set_links(pairs, {}));
  stage.over("the links are whole again");
  stage.wait(0.2);
  return {};
}

Result<> isolate_primary(Stage& stage) {
  return cut_off(stage, Side::kBoth, "is cut off from all others");
}

Result<> mute_primary(Stage& stage) {
  return cut_off(stage, Side::kWhatItSays, "hears the others and is not heard by them");
}

Result<> deafen_primary(Stage& stage) {
  return cut_off(stage, Side::kWhatItHears, "is heard by the others and does not hear them");
}

Result<> split_pair(Stage& stage) {
  HOLDFAST_ASSIGN(const std::string leader, stage.cluster.leader());
  HOLDFAST_ASSIGN(const std::string backup, stage.backup());
  std::vector<Pair> pairs = stage.pairs_with(leader);
  std::erase_if(pairs, [&](const Pair& p) { return p.from != backup && p.to != backup; });
  stage.fault(fmt::format(
      "{}, the primary, and {} no longer reach each other; all others reach both", leader, backup));
  HOLDFAST_TRY(stage.cluster.set_links(pairs, {.is_cut = true}));
  stage.wait(0.8);
  HOLDFAST_TRY(stage.cluster.set_links(pairs, {}));
  stage.over("the link is whole again");
  stage.wait(0.2);
  return {};
}

Result<> worsen(Stage& stage, const LinkRule& rule, const char* what) {
  stage.fault(what);
  HOLDFAST_TRY(stage.cluster.set_links(stage.cluster.pairs(), rule));
  stage.wait(0.9);
  HOLDFAST_TRY(stage.cluster.set_links(stage.cluster.pairs(), {}));
  stage.over("the links are as they were");
  stage.wait(0.1);
  return {};
}

Result<> slow_links(Stage& stage) {
  return worsen(stage,
                {.delay = std::chrono::milliseconds(20), .jitter = std::chrono::milliseconds(20)},
                "everything between nodes comes about 30 ms later");
}

Result<> lossy_links(Stage& stage) {
  return worsen(stage, {.stall_chance = 0.02, .stall = std::chrono::milliseconds(200)},
                "of everything between nodes 2 % is lost");
}

}  // namespace

std::vector<Drill> network_drills() {
  return {
      {"isolate-primary", "The primary is cut off from all others, in both directions", kCutHere,
       kCutThere, 0, isolate_primary},
      {"mute-primary", "The primary hears the others, and they do not hear it", kCutHere, kCutThere,
       0, mute_primary},
      {"deafen-primary", "The others hear the primary, and it does not hear them", kCutHere,
       kCutThere, 0, deafen_primary},
      {"split-pair", "The primary and one backup do not reach each other, all others reach both",
       kCutHere, kCutThere, 0, split_pair},
      {"slow-links",
       "Everything between nodes comes late",
       {"a TCP proxy in this program between the nodes: a delay of 20 to 40 ms"},
       Means{"PUT /v1/faults at all nodes: messages are sent 30 ms later", true},
       0,
       slow_links},
      {"lossy-links",
       "Packets between nodes are lost",
       {"a TCP proxy in this program between the nodes: a piece in fifty is held for 200 ms, as "
        "TCP sends again what was lost"},
       Means{"PUT /v1/faults at all nodes: a message in fifty is thrown away", true},
       0,
       lossy_links},
  };
}

}  // namespace holdfast::drill
