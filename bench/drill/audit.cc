#include "bench/drill/audit.h"

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include <fmt/format.h>

#include "bench/drill/words.h"
#include "client/text_forms.h"
#include "storage/base/bytes.h"

namespace holdfast::drill {
namespace {

constexpr Duration kAuditPatience = std::chrono::seconds(20);
constexpr Duration kLookPatience = std::chrono::seconds(5);  // for one answer

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

// What the node holds at `revision`, or why it does not tell.
void look(HttpConnection& connection, Instant deadline, uint64_t revision,
          const std::string& prefix, NodeEnd& end) {
  const HttpRequest request{
      .method = "GET",
      .target = fmt::format("/v1/kv?revision={}&consistency=local{}{}", revision,
                            prefix.empty() ? "" : "&prefix=", path_encoded(prefix)),
      .headers = {{"Accept", "application/x-ndjson"}},
      .body = {}};
  const auto answer = connection.exchange(request, deadline);
  if (!answer) {
    end.untold = "no answer: " + answer.error().message;
    return;
  }
  // 400: it has not come so far yet.
  if (answer->status != 200) {
    end.untold = fmt::format("answer {}: {}", answer->status, read_problem(answer->body).detail);
    return;
  }
  end.untold.clear();
  end.revision = revision;
  end.digest = fmt::format("{:016x}", checksum(answer->body));
  const auto lines = std::ranges::count(answer->body, '\n');
  end.rows = static_cast<uint64_t>(std::max<ptrdiff_t>(lines, 1)) - 1;  // the last counts them
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

std::vector<std::string> unread_keys(const History& history, const std::string& auditor) {
  std::set<std::string> unread;
  std::set<std::string> read;
  for (const Operation& operation : history.operations) {
    const bool is_audit = history.names.text(operation.client) == auditor;
    if (is_audit && operation.outcome != Outcome::kOk) continue;
    for (const std::vector<Act>* acts : {&operation.then, &operation.otherwise})
      for (const Act& act : *acts) (is_audit ? read : unread).insert(history.names.text(act.key));
  }
  for (const std::string& key : read) unread.erase(key);
  return {unread.begin(), unread.end()};
}

std::vector<NodeEnd> ends_of(const Cluster& cluster, const std::string& prefix) {
  const SystemClock clock;
  std::vector<NodeEnd> ends;
  std::vector<HttpConnection> connections;
  uint64_t newest = 0;
  for (const auto& node : cluster.nodes()) {
    if (cluster.is_ours() && !node->process) continue;
    connections.emplace_back(node->endpoint, clock);
    NodeEnd& end = ends.emplace_back(NodeEnd{.name = node->name});
    const std::optional<ClusterView> view = cluster.ask(*node);
    if (!view) continue;
    newest = std::max(newest, view->node.revision);
    end.state_hash = view->node.state_hash;
    end.state_hash_index = view->node.state_hash_index;
  }
  const Instant deadline = clock.now() + kAuditPatience;
  const auto is_told = [](const NodeEnd& end) { return end.untold.empty(); };
  do {
    for (size_t i = 0; i < ends.size(); ++i)
      if (!is_told(ends[i]))
        look(connections[i], clock.now() + kLookPatience, newest, prefix, ends[i]);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  } while (!std::ranges::all_of(ends, is_told) && clock.now() < deadline);
  return ends;
}

Agreement agreement_of(const std::vector<NodeEnd>& ends) {
  const NodeEnd* told = nullptr;
  for (const NodeEnd& end : ends) {
    if (!end.untold.empty()) continue;
    if (told == nullptr) told = &end;
    if (end.digest != told->digest) return Agreement::kDiffer;
  }
  for (const NodeEnd& end : ends)
    for (const NodeEnd& other : ends)
      if (end.state_hash_index == other.state_hash_index && end.state_hash != other.state_hash &&
          !end.state_hash.empty() && !other.state_hash.empty())
        return Agreement::kDiffer;
  const bool are_all_told = !ends.empty() && std::ranges::all_of(ends, [](const NodeEnd& end) {
    return end.untold.empty();
  });
  return are_all_told ? Agreement::kEqual : Agreement::kUntold;
}

}  // namespace holdfast::drill
