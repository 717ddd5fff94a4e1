#include "bench/drill/audit.h"

#include <algorithm>
#include <map>
#include <thread>

#include <fmt/format.h>

#include "bench/drill/words.h"
#include "storage/base/bytes.h"

namespace holdfast::drill {
namespace {

constexpr Duration kAuditPatience = std::chrono::seconds(20);

struct KeyEnd {
  uint64_t revision = 0;  // of its newest acknowledged change
  const Operation* change = nullptr;
  bool is_put = false;
  bool may_be_gone = false;  // a delete without an answer
  bool is_read = false;
  uint64_t found = 0;  // by the last read; 0: nothing
};

void note_changes(const Operation& operation, std::map<Name, KeyEnd>& keys) {
  if (operation.outcome == Outcome::kUnknown) {
    for (const std::vector<Act>* acts : {&operation.then, &operation.otherwise})
      for (const Act& act : *acts)
        if (act.kind == Kind::kDelete) keys[act.key].may_be_gone = true;
    return;
  }
  if (operation.outcome != Outcome::kOk || operation.revision == 0) return;
  for (const Act& act : operation.acts(operation.branch)) {
    KeyEnd& end = keys[act.key];
    if (act.kind == Kind::kGet || operation.revision < end.revision) continue;
    end.revision = operation.revision;
    end.change = &operation;
    end.is_put = act.kind == Kind::kPut;
  }
}

}  // namespace

std::vector<std::string> lost_changes(const History& history, const std::string& auditor) {
  std::map<Name, KeyEnd> keys;
  int64_t origin = kOpen;
  for (const Operation& operation : history.operations) {
    origin = std::min(origin, operation.start);
    note_changes(operation, keys);
    if (history.names.text(operation.client) != auditor || operation.outcome != Outcome::kOk)
      continue;
    const Act& look = operation.then.front();
    keys[look.key].is_read = true;
    keys[look.key].found = look.found_revision;
  }
  std::vector<std::string> lost;
  for (const auto& [key, end] : keys) {
    if (!end.is_read || end.change == nullptr) continue;
    const bool is_gone = end.found == 0 && end.is_put && !end.may_be_gone;
    const bool is_older = end.found != 0 && end.found < end.revision;
    if (!is_gone && !is_older) continue;
    lost.push_back(fmt::format(
        "{}; at the end {}", in_words(*end.change, history.names, origin),
        is_gone ? "nothing was there" : fmt::format("there was revision {}", end.found)));
  }
  return lost;
}

uint64_t acknowledged_changes(const History& history) {
  return static_cast<uint64_t>(std::ranges::count_if(history.operations, [](const Operation& o) {
    return o.outcome == Outcome::kOk && o.revision != 0;
  }));
}

std::vector<NodeEnd> ends_of(const Cluster& cluster) {
  const SystemClock clock;
  std::vector<NodeEnd> ends;
  uint64_t newest = 0;
  for (const auto& node : cluster.nodes()) {
    if (cluster.is_ours() && !node->process) continue;
    const std::optional<ClusterView> view = cluster.ask(*node);
    NodeEnd& end = ends.emplace_back(NodeEnd{.name = node->name});
    if (!view) continue;
    newest = std::max(newest, view->node.revision);
    end.state_hash = view->node.state_hash;
    end.state_hash_index = view->node.state_hash_index;
  }
  const Instant deadline = clock.now() + kAuditPatience;
  for (NodeEnd& end : ends) {
    const auto node = std::ranges::find_if(cluster.nodes(),
                                           [&](const auto& one) { return one->name == end.name; });
    HttpConnection connection((*node)->endpoint, clock);
    const HttpRequest request{.method = "GET",
                              .target = fmt::format("/v1/kv?revision={}&consistency=local", newest),
                              .headers = {{"Accept", "application/x-ndjson"}},
                              .body = {}};
    while (clock.now() < deadline) {
      const auto answer = connection.exchange(request, deadline);
      if (answer && answer->status == 200) {
        end.revision = newest;
        end.digest = fmt::format("{:016x}", checksum(answer->body));
        const auto lines = std::ranges::count(answer->body, '\n');
        end.rows =
            static_cast<uint64_t>(std::max<ptrdiff_t>(lines, 1)) - 1;  // the last counts them
        break;
      }
      // 400: it has not come so far yet.
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  return ends;
}

bool are_equal(const std::vector<NodeEnd>& ends) {
  return !ends.empty() && std::ranges::all_of(ends, [&](const NodeEnd& end) {
    const NodeEnd& first = ends.front();
    const bool has_other_hash =
        end.state_hash_index == first.state_hash_index && end.state_hash != first.state_hash;
    return !end.digest.empty() && end.digest == first.digest && !has_other_hash;
  });
}

}  // namespace holdfast::drill
