// Faults of all kinds, several at once, drawn by the seed.

#include <csignal>

#include <fmt/format.h>

#include "bench/drill/catalogue.h"

namespace holdfast::drill {
namespace {

using std::chrono::milliseconds;

// One fault with its end. Who leads when it begins is not the seed's choice.
class Gust {
 public:
  Gust(Stage& stage, std::string node) : stage_(stage), node_(std::move(node)) {}

  Result<> begin() {
    kind_ = stage_.random.below(5);
    Cluster& cluster = stage_.cluster;
    const bool runs = cluster.node(node_).process && !cluster.node(node_).is_stopped;
    if (kind_ < 2 && !runs) kind_ = 2;
    switch (kind_) {
      case 0:
        stage_.fault(fmt::format("SIGKILL to {}", node_));
        cluster.end(node_, SIGKILL);
        break;
      case 1:
        stage_.fault(fmt::format("SIGSTOP to {}", node_));
        cluster.pause(node_);
        break;
      case 2:
        pairs_ = stage_.pairs_with(node_);
        stage_.fault(fmt::format("{} is cut off", node_));
        return cluster.set_links(pairs_, {.is_cut = true});
        break;
      case 3:
        pairs_ = stage_.pairs_with(node_);
        std::erase_if(pairs_, [&](const Pair& pair) { return pair.to != node_; });
        stage_.fault(fmt::format("{} hears nobody", node_));
        return cluster.set_links(pairs_, {.is_cut = true});
        break;
      default:
        pairs_ = stage_.pairs_with(node_);
        stage_.fault(fmt::format("the links of {} are slow", node_));
        return cluster.set_links(pairs_, {.delay = milliseconds(stage_.random.between(5, 120)),
                                          .jitter = milliseconds(50)});
    }
    return {};
  }

  Result<> end() {
    Cluster& cluster = stage_.cluster;
    if (kind_ == 0 && !cluster.node(node_).process) HOLDFAST_TRY(cluster.restart(node_));
    if (kind_ == 1 && cluster.node(node_).is_stopped) cluster.resume(node_);
    if (!pairs_.empty()) HOLDFAST_TRY(cluster.set_links(pairs_, {}));
    stage_.over(fmt::format("{} is well again", node_));
    return {};
  }

 private:
  Stage& stage_;
  const std::string node_;
  uint64_t kind_ = 0;
  std::vector<Pair> pairs_;
};

Result<> storm(Stage& stage) {
  const SystemClock clock;
  const Instant until = clock.now() + stage.length;
  std::vector<std::string> names;
  for (const auto& node : stage.cluster.nodes()) names.push_back(node->name);
  while (clock.now() < until) {
    // One or two at a time, on different nodes.
    stage.random.shuffle(names);
    std::vector<Gust> gusts;
    const size_t count = stage.random.between(1, names.size() > 2 ? 2 : 1);
    for (size_t i = 0; i < count; ++i) {
      gusts.emplace_back(stage, names[i]);
      HOLDFAST_TRY(gusts.back().begin());
      stage.pass(milliseconds(stage.random.between(10, 300)));
    }
    stage.pass(milliseconds(stage.random.between(50, 1500)));
    for (Gust& gust : gusts) HOLDFAST_TRY(gust.end());
    stage.pass(milliseconds(stage.random.between(50, 500)));
  }
  return {};
}

}  // namespace

std::vector<Drill> storm_drills() {
  return {{"storm",
           "Faults of all kinds, one or two at a time, drawn by the seed",
           {"SIGKILL, SIGSTOP, and a TCP proxy in this program between the nodes"},
           std::unexpected(
               "it is made of signals, too, which reach only processes that the drill has started"),
           0,
           storm}};
}

}  // namespace holdfast::drill
