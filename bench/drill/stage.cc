#include "bench/drill/stage.h"

#include <algorithm>
#include <thread>

namespace holdfast::drill {

void Stage::fault(std::string what) {
  marks.push_back({now(), std::move(what), true});
  if (fault_begin == 0) fault_begin = marks.back().at;
}

void Stage::over(std::string what) {
  marks.push_back({now(), std::move(what), false});
  fault_end = marks.back().at;
}

void Stage::note(std::string what) {
  marks.push_back({now(), std::move(what), false});
}

void Stage::pass(Duration time) {
  constexpr Duration kStep = std::chrono::milliseconds(50);
  const Instant until = clock_.now() + time;
  for (Instant at = clock_.now(); at < until; at = clock_.now()) {
    std::this_thread::sleep_for(std::min<Duration>(kStep, until - at));
    if (while_waiting) while_waiting();
  }
}

Result<std::string> Stage::backup(const std::string& other) {
  HOLDFAST_ASSIGN(const std::string leader, cluster.leader());
  std::vector<std::string> names;
  for (const auto& node : cluster.nodes())
    if (node->name != leader && node->name != other && (node->process || !cluster.is_ours()))
      names.push_back(node->name);
  if (names.empty()) return fail(ErrorCode::kInvalid, "there is no backup: use --nodes 3");
  return names[random.below(names.size())];
}

std::vector<Pair> Stage::pairs_with(const std::string& node) const {
  std::vector<Pair> pairs = cluster.pairs();
  std::erase_if(pairs, [&](const Pair& pair) { return pair.from != node && pair.to != node; });
  return pairs;
}

}  // namespace holdfast::drill
