#include "bench/drill/role_watch.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "client/cluster_answers.h"
#include "client/http_connection.h"

namespace holdfast::drill {
namespace {

constexpr Duration kAskPeriod = std::chrono::milliseconds(10);
constexpr Duration kAnswerPatience = std::chrono::milliseconds(150);

}  // namespace

RoleWatch::~RoleWatch() {
  stop();
}

void RoleWatch::add(const std::string& node, const Endpoint& endpoint) {
  threads_.emplace_back([this, node, endpoint] { watch(node, endpoint); });
}

void RoleWatch::stop() {
  is_over_ = true;
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
}

void RoleWatch::watch(std::string node, Endpoint endpoint) {
  HttpConnection connection(std::move(endpoint), clock_);
  RoleChange known{.node = std::move(node)};
  const HttpRequest request{.method = "GET", .target = "/v1/cluster", .headers = {}, .body = {}};
  while (!is_over_) {
    const Instant asked = clock_.now();
    const auto answer = connection.exchange(request, asked + kAnswerPatience);
    RoleChange seen = known;
    seen.at = asked.time_since_epoch().count();
    if (answer) {
      const Result<ClusterView> view = read_cluster_view(answer->body);
      seen.role = view ? view->node.role : "silent";
      if (view) seen.term = view->node.term;
    } else {
      seen.role = answer.error().delivery == Delivery::kNotServed ? "gone" : "silent";
    }
    if (seen.role != known.role || seen.term != known.term) {
      known = seen;
      const std::scoped_lock lock(mutex_);
      changes_.push_back(std::move(seen));
    }
    std::this_thread::sleep_for(kAskPeriod);
  }
}

std::vector<RoleChange> RoleWatch::changes() const {
  const std::scoped_lock lock(mutex_);
  std::vector<RoleChange> sorted = changes_;
  std::ranges::sort(sorted, {}, [](const RoleChange& change) {
    return std::tuple(change.at, change.term, std::string_view(change.node));
  });
  return sorted;
}

std::string RoleWatch::leader() const {
  std::map<std::string, RoleChange> newest;
  for (const RoleChange& change : changes()) newest[change.node] = change;
  std::string leader;
  uint64_t term = 0;
  for (const auto& [node, change] : newest) {
    if (change.role != "leader" || change.term < term) continue;
    leader = node;
    term = change.term;
  }
  return leader;
}

}  // namespace holdfast::drill
